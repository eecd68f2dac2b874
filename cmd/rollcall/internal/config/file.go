package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// DefaultFile is read where neither --config nor $ROLLCALL_CONFIG names another.
const DefaultFile = "rollcall.yaml"

const maxFileBytes = 1 << 20

// source is the configuration file as it was opened: what it says and whose it is belong to one moment.
type source struct {
	path string // as it was named
	dir  string // absolute, for the relative paths in it
	info fs.FileInfo
}

// resolve makes a path of the file absolute; what stands elsewhere is relative to the working directory, as everywhere.
func (s *source) resolve(path string) string {
	if s == nil || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(s.dir, path)
}

// othersWrite is the reason why a command of this file may not run: who can write the file could run anything as us.
func (s *source) othersWrite() error {
	if s.info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s can be written by others (mode %04o); chmod go-w it", s.path, s.info.Mode().Perm())
	}
	return s.foreign()
}

// foreign is an error where the file is neither ours nor root's.
func (s *source) foreign() error {
	st, ok := s.info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("the owner of %s cannot be told", s.path)
	}
	if int(st.Uid) != os.Geteuid() && st.Uid != 0 {
		return fmt.Errorf("%s belongs to another user (uid %d)", s.path, st.Uid)
	}
	return nil
}

// readSource opens and reads a file.
func readSource(path string) (*source, []byte, error) {
	fail := func(reason string, err error) (*source, []byte, error) {
		return nil, nil, &FileError{Path: path, Reason: reason, err: err}
	}
	f, err := os.Open(path)
	if err != nil {
		return fail(withoutPath(err).Error(), err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return fail(withoutPath(err).Error(), err)
	}
	if info.IsDir() {
		return fail("is a folder", nil)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return fail(withoutPath(err).Error(), err)
	}
	if len(raw) > maxFileBytes {
		return fail(fmt.Sprintf("has more than %d bytes", maxFileBytes), nil)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return fail(err.Error(), err)
	}
	return &source{path: path, dir: filepath.Dir(abs), info: info}, raw, nil
}

// applyFile sets what the file says.
func (c *Config) applyFile(path string, implicit bool) error {
	src, raw, err := readSource(path)
	if err != nil {
		return err
	}
	if implicit {
		// A file that merely lies in the working directory could send our credentials anywhere.
		if err := src.foreign(); err != nil {
			return &FileError{Path: path, Reason: "is not used: " + err.Error(), hints: []string{"name it with --config to use it all the same"}}
		}
	}
	c.file = path
	doc, err := parser.ParseBytes(raw, 0)
	if err != nil {
		return syntaxError(path, err)
	}
	entries, err := topLevel(path, doc)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := c.applyEntry(src, e); err != nil {
			return err
		}
	}
	return nil
}

// syntaxError drops the excerpt that the parser adds: the lines around a mistake may hold anything.
func syntaxError(path string, err error) error {
	out := &FileError{Path: path, Reason: "is no YAML", err: err}
	var y yaml.Error
	if errors.As(err, &y) {
		out.Reason = y.GetMessage()
		if t := y.GetToken(); t != nil && t.Position != nil {
			out.Line = t.Position.Line
		}
	}
	return out
}

// topLevel gives the entries of the file's one mapping; a file that is empty or all comments has none.
func topLevel(path string, doc *ast.File) ([]*ast.MappingValueNode, error) {
	var bodies []ast.Node
	for _, d := range doc.Docs {
		if d.Body != nil {
			bodies = append(bodies, d.Body)
		}
	}
	if len(bodies) == 0 {
		return nil, nil
	}
	if len(bodies) > 1 {
		return nil, &FileError{Path: path, Line: line(bodies[1]), Reason: "a second document begins; one is all there may be"}
	}
	switch n := bodies[0].(type) {
	case *ast.CommentGroupNode:
		return nil, nil
	case *ast.MappingNode:
		return n.Values, nil
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, nil
	}
	return nil, &FileError{Path: path, Line: line(bodies[0]), Reason: "must be keys and values, as in page_size: 100"}
}

// applyEntry sets one key. A mapping under a name that begins keys (schema: {contract: freeze}) sets each of them; one under a list names its
// elements, as KEY=VALUE.
func (c *Config) applyEntry(src *source, e *ast.MappingValueNode) error {
	return c.applyNamed(src, e.Key.GetToken().Value, e)
}

func (c *Config) applyNamed(src *source, name string, e *ast.MappingValueNode) error {
	if children, ok := mapping(e.Value); ok && slices.ContainsFunc(keys, func(k Key) bool { return strings.HasPrefix(k.Name, name+".") }) {
		for _, child := range children {
			if err := c.applyNamed(src, name+"."+child.Key.GetToken().Value, child); err != nil {
				return err
			}
		}
		return nil
	}
	at := Origin{Place: FromFile, Name: src.path, Line: line(e.Key)}
	k, ok := findKey(name)
	if !ok {
		return unknownKey(src.path, at.Line, name)
	}
	fail := func(value, reason string) error {
		return &FieldError{Key: k.Name, Value: k.quotable(value), Origin: at, Reason: reason}
	}
	texts, err := scalars(k.field.kind, e.Value)
	if err != nil {
		return fail("", err.Error())
	}
	if err := k.field.set(c, given{texts: texts, file: src}); err != nil {
		return fail(strings.Join(texts, ","), err.Error())
	}
	c.origins[k.Name] = at
	return nil
}

// mapping gives the entries of a node that is keys and values.
func mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}, true
	}
	return nil, false
}

func unknownKey(path string, line int, name string) error {
	e := &FileError{Path: path, Line: line, Reason: fmt.Sprintf("there is no key %q", name)}
	if near := nearest(name); near != "" {
		e.hints = []string{"did you mean " + near + "?"}
	} else {
		e.hints = []string{"rollcall config lists all keys"}
	}
	return e
}

// nearest is the key that the unknown one is a slip of, if any.
func nearest(name string) string {
	plain := func(s string) string { return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s)) }
	best, distance := "", 3
	for _, k := range keys {
		if d := editDistance(plain(name), plain(k.Name)); d < distance {
			best, distance = k.Name, d
		}
	}
	return best
}

// editDistance counts the letters to insert, remove or replace between two short words.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// scalars reads a node as the texts of a key of this kind.
func scalars(want kind, n ast.Node) ([]string, error) {
	if entries, ok := mapping(n); ok && (want == kindList || want == kindNamed) {
		var out []string
		for _, e := range entries {
			t, err := scalar(kindText, e.Value)
			if err != nil {
				return nil, err
			}
			out = append(out, e.Key.GetToken().Value+"="+t)
		}
		return out, nil
	}
	if seq, ok := n.(*ast.SequenceNode); ok && (want == kindList || want == kindNamed) {
		var out []string
		for _, v := range seq.Values {
			t, err := scalar(kindText, v)
			if err != nil {
				return nil, err
			}
			out = append(out, t)
		}
		return out, nil
	}
	if want == kindRules {
		return ruleTexts(n)
	}
	if want == kindNamed {
		return nil, errors.New("must be names and texts, as in name: text")
	}
	t, err := scalar(want, n)
	if err != nil {
		return nil, err
	}
	return []string{t}, nil
}

// ruleTexts reads rules as path=action.
func ruleTexts(n ast.Node) ([]string, error) {
	switch v := n.(type) {
	case *ast.MappingNode:
		return pairTexts(v.Values)
	case *ast.MappingValueNode:
		return pairTexts([]*ast.MappingValueNode{v})
	case *ast.SequenceNode:
		var out []string
		for _, e := range v.Values {
			t, err := ruleText(e)
			if err != nil {
				return nil, err
			}
			out = append(out, t)
		}
		return out, nil
	}
	return nil, errors.New("must be paths and actions, as in email: drop")
}

func pairTexts(pairs []*ast.MappingValueNode) ([]string, error) {
	var out []string
	for _, p := range pairs {
		key, ok := p.Key.(ast.Node)
		if !ok {
			return nil, errors.New("has a key that is no path")
		}
		path, err := scalar(kindText, key)
		if err != nil {
			return nil, fmt.Errorf("a path %w", err)
		}
		action, err := scalar(kindText, p.Value)
		if err != nil {
			return nil, fmt.Errorf("the action of %s %w", path, err)
		}
		out = append(out, path+"="+action)
	}
	return out, nil
}

// ruleText reads one rule of a sequence: {path: P, action: A} or P=A.
func ruleText(n ast.Node) (string, error) {
	var pairs []*ast.MappingValueNode
	switch v := n.(type) {
	case *ast.MappingNode:
		pairs = v.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{v}
	default:
		return scalar(kindText, n)
	}
	var path, action string
	for _, p := range pairs {
		t, err := scalar(kindText, p.Value)
		if err != nil {
			return "", err
		}
		switch p.Key.GetToken().Value {
		case "path":
			path = t
		case "action":
			action = t
		default:
			return "", errors.New("a rule has a path and an action, and nothing else")
		}
	}
	return path + "=" + action, nil
}

func scalar(want kind, n ast.Node) (string, error) {
	var accepted []ast.NodeType
	var reason string
	switch want {
	case kindInteger:
		accepted, reason = []ast.NodeType{ast.IntegerType}, "must be a whole number, without quotes"
	case kindNumber:
		accepted, reason = []ast.NodeType{ast.IntegerType, ast.FloatType}, "must be a number, without quotes"
	case kindBool:
		accepted, reason = []ast.NodeType{ast.BoolType}, "must be true or false, without quotes"
	default:
		accepted, reason = []ast.NodeType{ast.StringType, ast.LiteralType, ast.IntegerType, ast.FloatType, ast.BoolType}, "must be one plain value"
	}
	if n.Type() == ast.NullType {
		return "", errors.New("has no value")
	}
	if !slices.Contains(accepted, n.Type()) {
		return "", errors.New(reason)
	}
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, nil
	case *ast.LiteralNode:
		return v.Value.Value, nil
	}
	return n.GetToken().Value, nil
}

func line(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}
