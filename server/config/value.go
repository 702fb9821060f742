package config

import (
	"encoding"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// A Size is a number of bytes. Its text is a number with or without a unit:
// 300, 1MiB, 16 MiB, 2GB.
type Size int64

var units = []struct {
	name  string
	bytes Size
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1},
}

// UnmarshalText parses a size.
func (s *Size) UnmarshalText(text []byte) error {
	number := string(text)
	unit := Size(1)
	for _, u := range units {
		if len(number) > len(u.name) && strings.EqualFold(number[len(number)-len(u.name):], u.name) {
			number, unit = strings.TrimRight(number[:len(number)-len(u.name)], " "), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || Size(n) > math.MaxInt64/unit || Size(n) < math.MinInt64/unit {
		return fmt.Errorf("%q is not a size; write a whole number of bytes, or one with a unit, as in 300, 64KiB or 16MiB", text)
	}
	*s = Size(n) * unit
	return nil
}

// String returns s with the largest binary unit of which it is a whole number.
func (s Size) String() string {
	for _, u := range units[:4] {
		if s != 0 && s%u.bytes == 0 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// A Prefix is a range of addresses: 10.0.0.0/8, or a single address.
type Prefix struct{ netip.Prefix }

// UnmarshalText parses a range of addresses.
func (p *Prefix) UnmarshalText(text []byte) error {
	if addr, err := netip.ParseAddr(string(text)); err == nil && addr.Zone() == "" {
		p.Prefix = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(string(text))
	if err != nil || prefix.Addr().Is4In6() {
		return fmt.Errorf("%q is not a range of addresses; write one as 10.0.0.0/8 or fd00::/8, or a single address", text)
	}
	if prefix != prefix.Masked() {
		return fmt.Errorf("%q has bits beyond its length; did you mean %v?", text, prefix.Masked())
	}
	p.Prefix = prefix
	return nil
}

// An Origin is what a browser sends as Origin, or * for any.
type Origin string

// UnmarshalText parses an origin.
func (o *Origin) UnmarshalText(text []byte) error {
	if string(text) == "*" {
		*o = "*"
		return nil
	}
	u, err := url.Parse(string(text))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is not an origin; write scheme://host or scheme://host:port, as in https://example.com, or * for any", text)
	}
	origin := u.Scheme + "://" + strings.ToLower(u.Host)
	if port := u.Port(); u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		origin = strings.TrimSuffix(origin, ":"+port) // browsers leave it out
	}
	if !strings.EqualFold(string(text), u.Scheme+"://"+u.Host) {
		return fmt.Errorf("%q is more than an origin; did you mean %s?", text, origin)
	}
	if strings.Contains(origin, "*") {
		return fmt.Errorf("%q: * stands only for any origin at all; name each origin that may", text)
	}
	*o = Origin(origin)
	return nil
}

// A URL is where something is asked, over HTTP or HTTPS; empty: nowhere.
type URL string

// UnmarshalText parses a URL. It refuses one with a password, which does not
// belong where configurations are shown.
func (u *URL) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*u = ""
		return nil
	}
	parsed, err := url.Parse(string(text))
	switch {
	case err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https":
		return fmt.Errorf("this is not a URL; write one with its scheme and host, as in https://example.com/path")
	case parsed.User != nil:
		return fmt.Errorf("this URL has a user in it, and it would be shown; leave that out")
	case parsed.Fragment != "":
		return fmt.Errorf("this URL has a fragment, which is never sent; leave out #%.40s", parsed.Fragment)
	}
	*u = URL(text)
	return nil
}

// parse returns value as a t.
func parse(t reflect.Type, value string) (reflect.Value, error) {
	v := reflect.New(t)
	if u, ok := v.Interface().(encoding.TextUnmarshaler); ok {
		return v.Elem(), u.UnmarshalText([]byte(value))
	}
	switch p := v.Interface().(type) {
	case *string:
		*p = value
	case *bool:
		if value != "true" && value != "false" {
			return v.Elem(), fmt.Errorf("%q is neither true nor false", value)
		}
		*p = value == "true"
	case *int:
		n, err := strconv.Atoi(value)
		if err != nil {
			return v.Elem(), fmt.Errorf("%q is not a whole number", value)
		}
		*p = n
	case *time.Duration:
		d, ok := parseDuration(value)
		if !ok {
			return v.Elem(), fmt.Errorf("%q is not a duration; write a number with its unit, as in 500ms, 15s, 10m or 24h", value)
		}
		*p = d
	default:
		return v.Elem(), fmt.Errorf("a setting may not be a %v", t)
	}
	return v.Elem(), nil
}

// parseDuration parses what time.ParseDuration does, with days of 24 hours
// before it if need be: 30d, 1d12h.
func parseDuration(text string) (d time.Duration, ok bool) {
	whole, rest, hasDays := strings.Cut(text, "d")
	if !hasDays {
		d, err := time.ParseDuration(text)
		return d, err == nil
	}
	const day, most = 24 * time.Hour, math.MaxInt64 / (24 * time.Hour)
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < -int64(most) || n > int64(most) {
		return 0, false
	}
	d = time.Duration(n) * day
	if rest == "" {
		return d, true
	}
	part, err := time.ParseDuration(rest)
	if err != nil || strings.ContainsAny(rest[:1], "+-") {
		return 0, false
	}
	if n < 0 || strings.HasPrefix(whole, "-") {
		part = -part
	}
	if sum := d + part; (sum < d) == (part < 0) {
		return sum, true
	}
	return 0, false
}

// text returns what parse parses to v: one text, or one for each element.
func text(v reflect.Value) []string {
	if v.Kind() == reflect.Slice {
		texts := make([]string, v.Len())
		for i := range texts {
			texts[i] = fmt.Sprint(v.Index(i))
		}
		return texts
	}
	return []string{fmt.Sprint(v)}
}
