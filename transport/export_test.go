package transport

// Parked returns how many long polls wait on h's loops.
func Parked(h *Handler) int {
	found := make(chan int)
	loops := 0
	h.loops.mu.Lock()
	for _, l := range h.loops.running {
		if l == nil {
			continue
		}
		loops++
		l.post(func() {
			n := 0
			for _, s := range l.seats.taken {
				if s.conn != nil && s.conn.parked != nil {
					n++
				}
			}
			go func() { found <- n }()
		})
	}
	h.loops.mu.Unlock()
	sum := 0
	for range loops {
		sum += <-found
	}
	return sum
}
