// Package sweep reads a paged list to its end while the list moves, and proves that nobody was missed.
//
// A list that is paged by skip and limit is a different list at every request: five users deleted behind the page boundary pull five
// living ones across it unread, and every count still agrees. A sweep therefore reads the list in passes until an argument holds that
// leaves no room for a missing user. Run's result names the argument; without one it is uncertified, and says why. It never guesses,
// and a list that will not hold still is never an error.
//
// # Words
//
// Requests are made one after another and numbered through all passes. An answer shows the list as it is at one instant, which is
// taken to be the number of its request; L(t) is the set of rows in the list at t that the caller may see. A sighting of a user is an
// answer that has them. What a pass reads without a gap is its walk.
//
// What is assumed throughout: the server is honest, so that an answer is a contiguous piece of the list as it was at one instant, and
// has_more (or, where there is none, an empty page) tells the truth about that instant; and nobody leaves the list, or the caller's
// sight, and returns to it within one sweep. "Alive throughout" means in L(t) from the first request to the last.
//
// # Paging
//
// A cursor that counts rows can step back. An offset does by definition. An integer token is put to the proof on each run: it must
// equal the rows that came before it, the page at one less must begin with the last of them, and on every later page the server's
// token must be what our own arithmetic says. Any other cursor is opaque: it is followed as it comes.
//
// Pages of a countable cursor overlap by one row: a page after the first must begin with a row of the walk (its anchor). If it does
// not, rows before it went away, and the sweep steps back 1, 2, 4, … rows until it does, then goes on from there. If it begins with
// another row of the walk than the last, rows came in before it, and nothing is lost. Both are shifts, and are counted. The overlap is
// why two rows are asked for at least. A page is never taken to be the last for being short, and the walk advances by the rows that
// came, not by those that were asked for: the server may clamp the limit, to one row even.
//
// The end is what has_more says. Without has_more it is an empty page, and then the row before it is read again: it must be there,
// known, and alone. Where no answer says whether more follows, or the cursor is opaque, or rows are hidden, each pass asks for the
// order opposite to the one before.
//
// # Count: any order, and sort keys may change
//
// An answer at instant B that the list ends with k rows at skip s bounds it: |L(B)| ≤ s+k. (An empty page at skip s without has_more:
// |L(B)| ≤ s.) Let U be the users who were sighted at or before B, and at or after B.
//
// Claim: if |U| = s+k, whoever was alive at B is in U.
//
// Proof: each of U was there on both sides of B, so, as nobody leaves and returns, at B: U ⊆ L(B). Then s+k = |U| ≤ |L(B)| ≤ s+k, and
// so U = L(B). ∎
//
// Where a living user had not come, one that came would have to be gone. Nothing is assumed of the order, of where pages begin, or of
// how the cursor came about, other than that the bound is true: stepping back only makes it likely that the first pass finds
// everybody. The usual sweep is two passes, the second of which confirms the first. A bound is judged only after a later pass; those
// whom that pass did not show, if few, are asked for by id, which assumes that a look-up finds those whom the list shows. |U| > s+k
// cannot be, if the assumptions hold: a sweep that meets it ends uncertified.
//
// Rows without a usable user_id are counted by their bytes, and so stand for themselves as long as they do not change. Hidden rows
// make the bound too high, which proves nothing but no falsehood either. The same user twice in the list at once does the same.
//
// Each change between two passes can cost the bound between them: somebody who came behind the walk was not sighted before, somebody
// who left ahead of it not after. From the third pass on a sweep therefore glances at the list's end a few times in each pass, for as
// many more bounds (where has_more tells it for one request). A list that changes more than about four times during a pass will mostly
// not be certified by count, and cannot be by anything that reads it no faster and lets sort keys change.
//
// # Anchored: one pass, where the operator says that nobody's place changes
//
// With Options.SortKeyImmutable the list is taken to have a total order in which no two rows ever change places, though rows come and
// go. Let m be the greatest row of the walk.
//
// Claim: at each request whoever is alive throughout and not after m was sighted.
//
// Proof: by induction. The first page is the list's beginning. A later page begins with a row r of the walk, r ≤ m, and shows without
// a gap what lies between r and its last row m'. Alive throughout and before r: sighted, as r ≤ m. From r to m': on this page. ∎
//
// At the end nobody is after m', and so everybody was sighted. It is the operator's word that this rests on. An e-mail address that is
// changed, or two that a collation takes for equal, break it, and nothing would show.
//
// # Agreement: where the cursor is opaque, or rows are hidden
//
// Two passes in a row, in opposite orders as far as the server heeds them, came to the end, met nobody twice, and saw the same set S.
// Where a page that claimed more was shorter than asked for, so that rows may be hidden (permission applied after paging), three.
//
// Claim: if the cursor counts rows from whatever start, and none are hidden, everybody alive throughout is in S.
//
// Proof: let the first of the passes end at instant B. Its pages are contiguous and have |S| rows, so |L(B)| = |S|. Each of S was
// sighted by then, and again in the next pass, hence S ⊆ L(B), and S = L(B). ∎
//
// Claim: if the cursor stands for a place in the order (a key, a bookmark), whoever of those alive throughout is missing had their own
// sort key changed during each of the passes, across what was being read just then. If it is a snapshot, nobody is missing.
//
// Proof: a page shows what comes after the last row of the one before. Whoever keeps their place is reached, whatever others do. ∎
//
// Claim: if rows are hidden behind a cursor that counts rows, whoever is missing crossed from the unread to the read part in each of
// the three passes: in the first two because their own place changed, or because a row outside S left the read part, or because
// another row changed places, each between the two requests on whose boundary they lay.
//
// Proof: pages show each row position once. Who is not shown in a pass changed position from behind the frontier to before it between
// two requests, by own move or because the rows before them became one fewer. Rows of S do not leave before the last pass, in which
// they are sighted again. ∎
//
// So agreement cannot exclude a user who flees from the sweep in every pass, or that hidden rows come and go in step with it; both
// take a coincidence of one request in each pass. Nor does it know a server that leaves somebody out in either order. It is not
// offered in the offset dialect: with rows hidden, that cannot say where a page ends.
//
// # What no proof excludes
//
// A caller who may not see a user; a server that lies the same way every time; somebody who leaves and returns within the sweep.
// Without has_more, a server that hides a whole page of rows looks like one whose list ends there, unless it heeds the opposite order.
//
// # How a sweep ends
//
// After at most Options.MaxPasses passes. A pass ends at the list's end, or unfinished: where an answer says neither whether more
// follows nor where, and after three times the requests that the first whole pass took and 100 more. The first pass has no such
// measure. After 64 requests, and at each doubling, it asks for a page far ahead, and if the list is over by then takes that for its
// measure. With an opaque cursor it cannot, and a list that grows as fast as it is read is read on until the context ends.
//
// A page that is too large to be had is asked for again with half the limit, as long as Options.Smaller says that this may help, and the sweep stays with
// what it could have: nothing that is proved depends on how long pages are.
//
// Contradictions are errors: a cursor that repeats (*LoopError), more than 100 empty pages in a row that claim more
// (*EmptyPagesError), a claim of more without a token (*CursorError), and a server that ignores the cursor (*StuckError): more than 20
// pages with nobody new, beyond as many as the pass had before them, and the same row at the start and here.
package sweep
