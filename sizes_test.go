package pabal_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// Sizes that keep the code livable. What outgrows one is taken apart, along a seam that has a name of its own.
const (
	fileLines     = 600 // no file is longer,
	mostFileLines = 350 // and nine of ten are no longer than this
	funcLines     = 80  // no function is longer,
	mostFuncLines = 50  // and nine of ten are shorter than this
	structFields  = 15
	rootLines     = 2000
)

// wideStructs are the folders whose structs may have more fields, and why.
var wideStructs = map[string]string{
	"server/config": "mirrors the configuration file",
}

// sleepers and skippers are the test files that may call time.Sleep outside a bubble of testing/synctest, or skip a
// test, and why.
var (
	sleepers = map[string]string{}
	skippers = map[string]string{}
)

func TestFileSizes(t *testing.T) {
	sizes := make(map[string]int)
	for _, file := range sourceFiles(t, "", !skipModules) {
		if !handWritten(file) {
			continue
		}
		if content := read(t, file); !bytes.HasPrefix(content, []byte("// Code generated ")) {
			sizes[file] = bytes.Count(content, []byte("\n"))
		}
	}
	for _, wrong := range tooLong("file", sizes, fileLines, mostFileLines) {
		t.Error(wrong)
	}

	total := 0
	for file, lines := range sizes {
		if path.Dir(file) == "." && path.Ext(file) == ".go" {
			total += lines
		}
	}
	if total > rootLines {
		t.Errorf("the root package has %d lines, %d at most: move what is not a word of the domain or the engine itself "+
			"to a package of its own", total, rootLines)
	}
}

func TestFuncAndStructSizes(t *testing.T) {
	sizes := make(map[string]int)
	for _, file := range sourceFiles(t, ".go", !skipModules) {
		if !handWritten(file) {
			continue
		}
		fset, parsed := parse(t, file)
		if ast.IsGenerated(parsed) {
			continue
		}
		for name, lines := range funcSizes(fset, parsed) {
			sizes[file+": "+name] = lines
		}
		if _, ok := wideStructs[path.Dir(file)]; ok {
			continue
		}
		for at, fields := range structSizes(fset, parsed) {
			if fields > structFields {
				t.Errorf("%s: a struct of %d fields, %d at most: find the group of fields that belongs together and give it "+
					"a name", at, fields, structFields)
			}
		}
	}
	for _, wrong := range tooLong("function", sizes, funcLines, mostFuncLines-1) {
		t.Error(wrong)
	}
}

func TestNoSleepAndNoSkip(t *testing.T) {
	for _, file := range sourceFiles(t, ".go", !skipModules) {
		// A suite such as brokertest is test code too, though its files are not named so.
		if !strings.HasSuffix(file, "_test.go") && !strings.HasSuffix(path.Dir(file), "test") {
			continue
		}
		fset, parsed := parse(t, file)
		for _, call := range waitsAndSkips(parsed) {
			at, allowed := fset.Position(call.Pos()), sleepers
			advice := "wait for what the test is about (a channel, a condition), or run the test in a bubble of testing/synctest"
			if call.Sel.Name != "Sleep" {
				allowed = skippers
				advice = "a test that cannot run must fail: let scripts/setup.sh provide what it needs"
			}
			if allowed[file] == "" {
				t.Errorf("%s:%d: %s: %s", file, at.Line, call.Sel.Name, advice)
			}
		}
	}
}

// No file tells where it was built: such a path means nothing elsewhere.
func TestNoMachinePaths(t *testing.T) {
	for _, file := range sourceFiles(t, "", !skipModules) {
		content := read(t, file)
		if bytes.IndexByte(content[:min(len(content), 8000)], 0) >= 0 {
			continue // not text
		}
		for _, dir := range []string{"work", "root"} {
			i := bytes.Index(content, []byte("/"+dir+"/"))
			if i >= 0 {
				line := 1 + bytes.Count(content[:i], []byte("\n"))
				t.Errorf("%s:%d: a path of one machine, /%s: say it relative to the repository, or take it from the "+
					"environment", file, line, dir)
			}
		}
	}
}

// The rules themselves can fail.
func TestSizeRules(t *testing.T) {
	sizes := map[string]int{"a": 10, "b": 20, "c": 30}
	if wrong := tooLong("file", sizes, 100, 50); wrong != nil {
		t.Errorf("nothing too long: got %q", wrong)
	}
	sizes["d"] = 60
	if wrong := tooLong("file", sizes, 100, 50); len(wrong) != 1 {
		t.Errorf("one of four longer than most: got %q, want one error", wrong)
	}
	sizes["e"] = 101
	if wrong := tooLong("file", sizes, 100, 50); len(wrong) != 2 {
		t.Errorf("one too long, two of five longer than most: got %q, want two errors", wrong)
	}

	const source = `package p
type wide struct { a, b int; wider }
func (w *wide) f() {
	time.Sleep(1)
	synctest.Test(t, func(t *testing.T) { time.Sleep(2) })
}
func advance() { time.Sleep(3); synctest.Wait() }
func g(t *testing.T) { t.Skip("later"); d.Skip() }
`
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(funcSizes(fset, parsed)), "map[advance:1 f (line 3):4 g:1]"; got != want {
		t.Errorf("functions: got %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(structSizes(fset, parsed)), "map[p.go:2:3]"; got != want {
		t.Errorf("structs: got %s, want %s", got, want)
	}
	var lines []int
	for _, call := range waitsAndSkips(parsed) {
		lines = append(lines, fset.Position(call.Pos()).Line)
	}
	if want := []int{4, 8}; !slices.Equal(lines, want) {
		t.Errorf("sleeps outside a bubble, and skips: got them on lines %v, want %v", lines, want)
	}
}

// handWritten tells whether file is source that people write and that is not a test.
func handWritten(file string) bool {
	if strings.HasPrefix(file, "web/dist/") || strings.Contains(file, "/testdata/") {
		return false
	}
	for _, ending := range []string{"_test.go", ".test.ts", ".test.tsx", ".d.ts"} {
		if strings.HasSuffix(file, ending) {
			return false
		}
	}
	return slices.Contains([]string{".go", ".ts", ".tsx"}, path.Ext(file))
}

// tooLong says which of the things named are longer than limit, and which are longer than most if more than a
// tenth of all are.
func tooLong(what string, sizes map[string]int, limit, most int) (wrong []string) {
	var longer []string
	for name, lines := range sizes {
		if lines > limit {
			wrong = append(wrong, fmt.Sprintf("%s: %d lines, a %s has %d at most: take it apart", name, lines, what, limit))
		}
		if lines > most {
			longer = append(longer, fmt.Sprintf("%s: %d", name, lines))
		}
	}
	slices.Sort(wrong)
	slices.Sort(longer)
	if len(longer)*10 > len(sizes) {
		wrong = append(wrong, fmt.Sprintf("%d of %d %ss have more than %d lines, a tenth may: take some of them apart:\n\t%s",
			len(longer), len(sizes), what, most, strings.Join(longer, "\n\t")))
	}
	return wrong
}

// funcSizes counts the lines of each function, from its signature to its brace.
func funcSizes(fset *token.FileSet, file *ast.File) map[string]int {
	sizes := make(map[string]int)
	for _, decl := range file.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok {
			first, last := fset.Position(fn.Pos()).Line, fset.Position(fn.End()).Line
			name := fn.Name.Name
			if fn.Recv != nil || name == "init" { // of which there may be several
				name = fmt.Sprintf("%s (line %d)", name, first)
			}
			sizes[name] = last - first + 1
		}
	}
	return sizes
}

// structSizes counts the fields of each struct, by where it is.
func structSizes(fset *token.FileSet, file *ast.File) map[string]int {
	sizes := make(map[string]int)
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.StructType); ok {
			at := fset.Position(s.Pos())
			sizes[fmt.Sprintf("%s:%d", at.Filename, at.Line)] = s.Fields.NumFields()
		}
		return true
	})
	return sizes
}

// waitsAndSkips finds the calls that skip a test, and those of time.Sleep that really sleep. In a bubble of
// testing/synctest a sleep only moves the clock: within synctest.Test, or in a function that calls
// synctest.Wait, which panics elsewhere.
func waitsAndSkips(file *ast.File) (found []*ast.SelectorExpr) {
	var visit func(n ast.Node, bubble bool)
	visit = func(n ast.Node, bubble bool) {
		ast.Inspect(n, func(inner ast.Node) bool {
			switch inner := inner.(type) {
			case *ast.FuncDecl:
				if inner.Body != nil {
					visit(inner.Body, bubble || callsWait(inner.Body))
				}
				return false
			case *ast.CallExpr:
				on, sel := called(inner)
				switch {
				case on == "synctest" && sel.Sel.Name == "Test":
					for _, arg := range inner.Args {
						visit(arg, true)
					}
					return false
				case on == "time" && sel.Sel.Name == "Sleep" && !bubble,
					slices.Contains([]string{"t", "b", "f", "tb"}, on) && strings.HasPrefix(sel.Sel.Name, "Skip"):
					found = append(found, sel)
				}
			}
			return true
		})
	}
	visit(file, false)
	return found
}

func callsWait(body ast.Node) (does bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			on, sel := called(call)
			does = does || on == "synctest" && sel.Sel.Name == "Wait"
		}
		return true
	})
	return does
}

// called gives the name before the dot of a call, "" if there is none, and the whole selector.
func called(call *ast.CallExpr) (on string, sel *ast.SelectorExpr) {
	if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
		if x, ok := sel.X.(*ast.Ident); ok {
			return x.Name, sel
		}
	}
	return "", nil
}

func parse(t *testing.T, file string) (*token.FileSet, *ast.File) {
	t.Helper()
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return fset, parsed
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
