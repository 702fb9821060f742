package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pabal/pabal/server/config"
)

// section returns the lines of the documentation that follow head and then
// table, up to the next empty one.
func section(t *testing.T, head, table string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "settings.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(content), "\n")
	lines = lines[slices.Index(lines, head)+1:]
	start := slices.Index(lines, table)
	if start < 0 {
		t.Fatalf("docs/settings.md: there is no %q below %q", table, head)
	}
	lines = lines[start+1:]
	return lines[:slices.Index(append(lines, ""), "")]
}

// The documentation says of each setting what --help does.
func TestDocumentedSettings(t *testing.T) {
	var want []string
	groups := reflect.TypeFor[config.Config]()
	for g := range groups.NumField() {
		group := groups.Field(g).Type
		for f := 0; group.Kind() == reflect.Struct && f < group.NumField(); f++ {
			field := group.Field(f)
			want = append(want, documented(field))
		}
	}
	got := section(t, "## Settings", "| setting | variable | default | |")[1:]
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("docs/settings.md, row %d of the settings: got\n%s\nwant\n%s", i+1, strings.Join(got[min(i, len(got)):min(i+1, len(got))], ""), strings.Join(want[min(i, len(want)):min(i+1, len(want))], ""))
		}
	}
}

// documented returns the row of a setting.
func documented(field reflect.StructField) string {
	tag := field.Tag
	value := tag.Get("default")
	switch {
	case value == "" && field.Type.Kind() == reflect.Bool:
		value = "false"
	case value == "":
		value = "none"
	}
	text := strings.TrimSuffix(tag.Get("help"), ".")
	if zero, ok := tag.Lookup("zero"); ok {
		text += ". 0: " + zero
	}
	return fmt.Sprintf("| `%s` | `%s` | %s | %s |", tag.Get("name"), config.EnvName(tag.Get("name")), value, text)
}
