package cmdtest

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// Wire is a network between programs and a server that can be cut: while it is, nothing
// arrives on either side and no connection ends, as when a router is off.
type Wire struct {
	listener net.Listener
	server   string // address
	carrying sync.WaitGroup

	mu   sync.Mutex
	cut  chan struct{} // closed by Mend; nil while the wire is whole
	open map[net.Conn]bool
}

// NewWire lays a wire to a server's address.
func NewWire(ctx context.Context, server string) (*Wire, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("lay a wire: %w", err)
	}
	w := &Wire{listener: listener, server: server, open: map[net.Conn]bool{}}
	w.carrying.Go(w.accept)
	return w, nil
}

// URL is the server's at this end of the wire.
func (w *Wire) URL() string { return "http://" + w.listener.Addr().String() }

// Cut stops all that goes through the wire, until Mend.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut == nil {
		w.cut = make(chan struct{})
	}
}

// Mend lets new connections through. Those from before are broken, as after minutes
// without an answer.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut == nil {
		return
	}
	close(w.cut)
	w.cut = nil
	for c := range w.open {
		_ = c.Close()
	}
}

// Close takes the wire away.
func (w *Wire) Close() {
	_ = w.listener.Close()
	w.Cut()
	w.Mend()
	w.carrying.Wait()
}

// whole waits until the wire is not cut; false when it was.
func (w *Wire) whole() bool {
	w.mu.Lock()
	cut := w.cut
	w.mu.Unlock()
	if cut == nil {
		return true
	}
	<-cut
	return false
}

func (w *Wire) accept() {
	for {
		c, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.carrying.Go(func() { w.carry(c) })
	}
}

// carry connects a program with the server until one of them, or Mend, ends it.
func (w *Wire) carry(program net.Conn) {
	defer func() { _ = program.Close() }()
	server, err := (&net.Dialer{}).Dial("tcp", w.server)
	if err != nil {
		return // the program sees a connection that ends at once
	}
	defer func() { _ = server.Close() }()
	w.mark(program, server, true)
	defer w.mark(program, server, false)
	var back sync.WaitGroup
	back.Go(func() { w.copy(program, server) })
	w.copy(server, program)
	back.Wait()
}

func (w *Wire) mark(program, server net.Conn, open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range []net.Conn{program, server} {
		if open {
			w.open[c] = true
		} else {
			delete(w.open, c)
		}
	}
}

// copy carries bytes one way, and ends both ways when this one ends.
func (w *Wire) copy(to, from net.Conn) {
	defer func() { _ = to.Close() }()
	defer func() { _ = from.Close() }()
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if !w.whole() {
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
