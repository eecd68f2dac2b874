// Package mapped keeps what there is one of for each user, by the million, out of the process's memory: in a file without a name that is mapped
// into it, so that what is not in use just now takes none.
//
// A [Space] is such a file, a [List] grows in one. The first of a list's elements are in plain memory, and so are those for which there is no room on disk:
// nothing here fails. Elements hold no pointers, and stay where they are.
package mapped
