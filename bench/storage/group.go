package main

// groupMost is how many publishes one commit holds.
const groupMost = 256

// A group is a writer that gathers what clients publish meanwhile, commits all
// of it at once, and answers them: what can be done with a store that has no
// group commit of its own.
type group struct {
	orders chan order
	ended  chan struct{}
}

type order struct {
	client int
	data   []byte
	done   chan error // has room for one
}

// newGroup starts a writer.
func newGroup(clients int, commit func([]order) error) *group {
	g := &group{orders: make(chan order, max(clients, groupMost)), ended: make(chan struct{})}
	go func() {
		defer close(g.ended)
		var orders []order
		for first := range g.orders {
			orders = append(orders[:0], first)
			orders = g.gather(orders)
			err := commit(orders)
			for _, o := range orders {
				o.done <- err
			}
		}
	}()
	return g
}

// gather adds what waits already.
func (g *group) gather(orders []order) []order {
	for len(orders) < groupMost {
		select {
		case o, ok := <-g.orders:
			if !ok {
				return orders
			}
			orders = append(orders, o)
		default:
			return orders
		}
	}
	return orders
}

func (g *group) publish(client int, data []byte) error {
	o := order{client, data, make(chan error, 1)}
	g.orders <- o
	return <-o.done
}

func (g *group) close() {
	close(g.orders)
	<-g.ended
}
