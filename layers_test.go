package pabal_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/pabal/pabal"

// root is how the tables below call the package at the top of the module.
const root = "pabal"

// layers says which parts of this module a part may import, beside the standard library and itself.
// "x" is the folder x with all below it; "x/*" is each folder in x by itself, which does not see the others.
//
//	cmd → server → {transport, dialect, api, auth, presence, call, web, broker/*} → pabal → standard library
var layers = map[string][]string{
	root:         {"internal/flight", "internal/arms"},
	"vector":     {root},
	"internal/*": {root},

	"internal/arms":   nil, // these know nothing of Pabal
	"internal/flight": nil,
	"transport":       {root, "vector", "internal/*"},
	"dialect/*":       {root, "internal/*"},
	"broker/*":        {root, "internal/*"},
	"api":             {root, "internal/*"},
	"auth":            {root, "internal/*"},
	"presence":        {root, "internal/*"},
	"call":            {root, "internal/*"},
	"web":             nil,
	"client":          {root, "vector", "internal/*"},
	"internal/doctor": {root, "internal/*"}, // a client too, of pabal doctor
	"embed":           {root, "internal/*", "transport", "api", "auth", "presence", "call", "broker/*"},
	"server":          {root, "internal/*", "transport", "dialect/*", "broker/*", "api", "auth", "presence", "call", "web", "embed"},
	"cmd":             {root, "vector", "server", "client", "auth", "internal/doctor"},
	"examples":        {root, "embed", "call", "auth"},
}

// suite is the promises of a broker as tests: only test files import it.
const suite = "broker/brokertest"

// home is where a third party may be imported: in these folders and below them.
type home struct {
	folders []string
	tests   bool // and in test files anywhere
}

// homes names the home of each third party, by the beginning of its import path.
var homes = map[string]home{
	"github.com/gobwas/":              {folders: []string{"internal/websocket"}},
	"github.com/golang-jwt/":          {folders: []string{"auth"}, tests: true},
	"github.com/coder/websocket":      {folders: []string{"client", "internal/readers", "internal/doctor"}, tests: true},
	"github.com/prometheus/":          {folders: []string{"server"}},
	"github.com/shirou/gopsutil":      {folders: []string{"server"}},
	"github.com/quic-go/":             {folders: []string{"server"}},
	"github.com/knadh/koanf":          {folders: []string{"server/config"}},
	"github.com/go-viper/":            {folders: []string{"server/config"}},
	"github.com/goccy/go-yaml":        {folders: []string{"server/config"}},
	"github.com/alecthomas/kong":      {folders: []string{"cmd"}},
	"github.com/HdrHistogram/":        {folders: []string{"cmd"}},
	"github.com/cockroachdb/pebble":   {folders: []string{"broker/disk"}},
	"github.com/nats-io/":             {folders: []string{"broker/nats"}},
	"github.com/redis/":               {folders: []string{"broker/redis"}},
	"golang.org/x/time":               {folders: []string{"server", "transport"}},
	"golang.org/x/sys":                {folders: []string{"internal/epoll"}},
	"go.uber.org/goleak":              {folders: []string{suite}, tests: true},
	"pgregory.net/rapid":              {folders: []string{suite}, tests: true},
	"github.com/rogpeppe/go-internal": {folders: []string{suite}, tests: true},
}

// breach tells what is wrong with a file in folder dir ("" is the root) that imports imp, and what to do
// about it. It returns "" if nothing is wrong.
func breach(dir, imp string, isTest bool) string {
	if inner, ok := inModule(imp); ok {
		return wrongArrow(dir, inner, isTest)
	}
	if first, _, _ := strings.Cut(imp, "/"); strings.Contains(first, ".") {
		return wrongHome(dir, imp, isTest)
	}
	if dir == "" && !isTest && under(imp, "net/http") {
		return "the root package knows nothing of HTTP: move what needs it to transport or api"
	}
	return ""
}

func wrongArrow(dir, imp string, isTest bool) string {
	if isTest {
		return ""
	}
	if under(imp, suite) && !under(dir, suite) {
		return suite + " is for test files only: move its use into a _test.go file"
	}
	from, fromFolder := part(dir)
	to, toFolder := part(imp)
	may, known := layers[from]
	if !known {
		return fmt.Sprintf("folder %q has no place in the layers: put the package into one of the folders that the "+
			"table in layers_test.go names, or give it a line there and write down why in docs/adr", dir)
	}
	if from == to && fromFolder == toFolder || slices.Contains(may, to) {
		return ""
	}
	list := "nothing else of this module"
	if len(may) > 0 {
		list = strings.Join(may, ", ")
	}
	return fmt.Sprintf("%s may import %s: say what it needs as an interface of its own and let server hand it in, "+
		"or move the code to where the arrow points down", from, list)
}

func wrongHome(dir, imp string, isTest bool) string {
	for prefix, h := range homes {
		if !under(imp, prefix) {
			continue
		}
		if isTest && h.tests || slices.ContainsFunc(h.folders, func(f string) bool { return under(dir, f) }) {
			return ""
		}
		return fmt.Sprintf("its home is %s: use it through that package, or not at all", strings.Join(h.folders, " and "))
	}
	return "this third party has no home yet: do without it, or give it one in the table in layers_test.go and write " +
		"down why in docs/adr"
}

// part finds the line of layers that folder dir falls under, and the folder that stands for: "broker/disk/x" is
// "broker/*" and "broker/disk". A folder that no line names is a part of its own.
func part(dir string) (line, folder string) {
	if dir == "" {
		return root, root
	}
	if _, ok := layers[dir]; ok && dir != root {
		return dir, dir
	}
	segments := strings.Split(dir, "/")
	if _, ok := layers[segments[0]]; ok && segments[0] != root {
		return segments[0], segments[0]
	}
	each := segments[0] + "/*"
	if _, ok := layers[each]; ok && len(segments) > 1 {
		return each, path.Join(segments[0], segments[1])
	}
	return dir, dir
}

// inModule gives the folder of a package of this module.
func inModule(imp string) (dir string, ok bool) {
	if imp == modulePath {
		return "", true
	}
	return strings.CutPrefix(imp, modulePath+"/")
}

// under tells whether p is prefix or lies below it. A prefix that ends in a slash stands for all below it.
func under(p, prefix string) bool {
	return p == prefix || strings.HasPrefix(p, strings.TrimSuffix(prefix, "/")+"/")
}

func TestLayers(t *testing.T) {
	files := 0
	for _, file := range sourceFiles(t, ".go", skipModules) {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		files++
		dir := path.Dir(file)
		if dir == "." {
			dir = ""
		}
		for _, spec := range parsed.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if wrong := breach(dir, imp, strings.HasSuffix(file, "_test.go")); wrong != "" {
				t.Errorf("%s imports %q: %s", file, imp, wrong)
			}
		}
	}
	if files == 0 {
		t.Fatal("no Go file found: the test must run in the root of the module")
	}
}

// The rule itself can fail.
func TestBreach(t *testing.T) {
	const file, test = false, true
	for _, c := range []struct {
		dir, imp string
		isTest   bool
		ok       bool
	}{
		{"", "context", file, true},
		{"", "net/netip", file, true},
		{"", "net/http", file, false},
		{"", "net/http/httptest", file, false},
		{"", "net/http", test, true},
		{"", modulePath + "/internal/websocket", file, false},
		{"", modulePath + "/broker/memory", file, false},
		{"", modulePath + "/broker/memory", test, true},
		{"", "golang.org/x/time/rate", file, false},

		{"transport", modulePath, file, true},
		{"transport", modulePath + "/internal/websocket", file, true},
		{"transport", modulePath + "/broker/memory", file, false},
		{"transport", modulePath + "/api", file, false},
		{"transport", modulePath + "/server", file, false},
		{"transport", modulePath + "/dialect/mercure", file, false},
		{"dialect/mercure", modulePath + "/dialect/sockjs", file, false},
		{"dialect/mercure", modulePath + "/dialect/mercure/wire", file, true},
		{"dialect/mercure", modulePath + "/transport", file, false},
		{"broker/disk", modulePath, file, true},
		{"broker/disk", modulePath + "/broker/memory", file, false},
		{"broker/disk", modulePath + "/broker/brokertest", file, false},
		{"broker/disk", modulePath + "/broker/brokertest", test, true},
		{"broker/brokertest", modulePath, file, true},
		{"server", modulePath + "/broker/brokertest", file, false},
		{"server", modulePath + "/broker/redis", file, true},
		{"server/config", modulePath + "/server", file, true},
		{"server", modulePath + "/client", file, false},
		{"server", modulePath + "/cmd/pabal", file, false},
		{"client", modulePath + "/transport", file, false},
		{"client", modulePath + "/internal/backoff", file, true},
		{"internal/websocket", modulePath + "/internal/backoff", file, false},
		{"web", modulePath, file, false},
		{"web", "embed", file, true},
		{"cmd/pabal", modulePath + "/server", file, true},
		{"cmd/pabal", modulePath + "/broker/memory", file, false},
		{"plugins", modulePath, file, false},
		{"broker", modulePath, file, false},

		{"internal/websocket", "github.com/gobwas/ws", file, true},
		{"transport", "github.com/gobwas/ws", file, false},
		{"client", "github.com/coder/websocket", file, true},
		{"transport", "github.com/coder/websocket", file, false},
		{"transport", "github.com/coder/websocket/wsjson", test, true},
		{"server/metrics", "github.com/prometheus/client_golang/prometheus", file, true},
		{"api", "github.com/prometheus/client_golang/prometheus", file, false},
		{"server/config", "github.com/knadh/koanf/v2", file, true},
		{"server", "github.com/knadh/koanf/v2", file, false},
		{"transport", "golang.org/x/time/rate", file, true},
		{"broker/memory", "pgregory.net/rapid", test, true},
		{"broker/brokertest", "pgregory.net/rapid", file, true},
		{"broker/memory", "pgregory.net/rapid", file, false},
		{"server", "example.com/new/thing", file, false},
		{"server", "example.com/new/thing", test, false},
	} {
		if wrong := breach(c.dir, c.imp, c.isTest); (wrong == "") != c.ok {
			t.Errorf("breach(%q, %q, test %v) = %q, want it allowed: %v", c.dir, c.imp, c.isTest, wrong, c.ok)
		}
	}
}

// The tables name each thing once: a third party that two lines match would have two homes.
func TestHomesAreDisjoint(t *testing.T) {
	prefixes := slices.Sorted(maps.Keys(homes))
	for _, p := range prefixes {
		for _, q := range prefixes {
			if p != q && under(q, p) {
				t.Errorf("%q and %q both match: keep one of them in the table", p, q)
			}
		}
	}
}

// skipModules leaves out the modules nested in this one.
const skipModules = true

// sourceFiles gives the slash-separated paths of the files with the ending given, but for those in testdata; of
// all files, if the ending is "". It leaves out what no one wrote: installed packages, what a build left in bin,
// data, hidden folders but .ci.
func sourceFiles(t *testing.T, ending string, skipNested bool) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() {
			if strings.HasSuffix(name, ending) && d.Type().IsRegular() {
				files = append(files, filepath.ToSlash(name))
			}
			return nil
		}
		switch base := d.Name(); {
		case name == ".":
		case base == "testdata" && ending != "",
			base == "node_modules", base == "pabal-data", base == "coverage", name == "bin",
			strings.HasPrefix(base, ".") && base != ".ci" && base != ".github":
			return filepath.SkipDir
		case skipNested:
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
				return filepath.SkipDir
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
