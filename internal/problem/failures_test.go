package problem_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f problem.Failures
		log := func(err error) string {
			var out bytes.Buffer
			f.Log(slog.New(slog.NewTextHandler(&out, nil)), err, "path", "/x")
			return out.String()
		}
		for _, err := range []error{pabal.ErrClosed, problem.BadRequest("x"), pabal.ErrHubClosed, &pabal.LimitError{}, &problem.Problem{Status: 501}} {
			if got := log(err); got != "" {
				t.Errorf("%v: logged %s", err, got)
			}
		}
		for range 2 {
			if got := log(errors.New("oops")); !strings.Contains(got, `msg="request failed" path=/x error=oops`) {
				t.Errorf("a failure: logged %q", got)
			}
		}
		failed := fmt.Errorf("append: %w", &pabal.StorageError{What: "w", Full: true, Err: errors.New("cause")})
		if got := log(failed); !strings.Contains(got, `path=/x error="append: w (cause)" notLogged=0`) {
			t.Errorf("a storage that fails: logged %q", got)
		}
		for range 7 {
			if got := log(failed); got != "" {
				t.Errorf("at once again: logged %q", got)
			}
		}
		time.Sleep(time.Second)
		if got := log(failed); !strings.Contains(got, "notLogged=7") {
			t.Errorf("a second later: logged %q", got)
		}
	})
}
