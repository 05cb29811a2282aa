package chaos

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between the workers and the server. It cuts connections in the
// middle of what a worker sends.
type proxy struct {
	listener net.Listener
	server   string // address
	fuse     atomic.Pointer[fuse]
	torn     atomic.Int64
	open     sync.WaitGroup
}

// fuse cuts the first connection over which a worker sends so many bytes more.
type fuse struct {
	bytes int64
	blown chan struct{} // closed when it has
}

func startProxy(t *testing.T, server string) *proxy {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, server: server}
	go p.accept()
	t.Cleanup(func() {
		_ = listener.Close()
		p.open.Wait()
	})
	return p
}

func (p *proxy) url() string { return "http://" + p.listener.Addr().String() }

// arm sets a fuse in place of the one before.
func (p *proxy) arm(bytes int) *fuse {
	f := &fuse{bytes: int64(bytes), blown: make(chan struct{})}
	p.fuse.Store(f)
	return f
}

// accept ends when the listener is closed.
func (p *proxy) accept() {
	for {
		worker, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.open.Go(func() { p.carry(worker) })
	}
}

// carry copies both ways until one side ends, or the fuse blows.
func (p *proxy) carry(worker net.Conn) {
	defer worker.Close()
	server, err := (&net.Dialer{}).Dial("tcp", p.server)
	if err != nil {
		return // the worker sees a connection that ends at once, as from a dead server behind a front server
	}
	defer server.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(worker, server) // either end may break; that is the point
		_ = worker.Close()
	})
	p.send(server, worker)
	_ = server.Close()
	back.Wait()
}

// send carries what the worker says.
func (p *proxy) send(server, worker net.Conn) {
	var armed *fuse
	var left int64
	buffer := make([]byte, 16<<10)
	for {
		n, err := worker.Read(buffer)
		if f := p.fuse.Load(); f != armed {
			armed = f
			if f != nil {
				left = f.bytes
			}
		}
		if armed != nil {
			if left -= int64(n); left < 0 && p.blow(armed) {
				_, _ = server.Write(buffer[:n/2]) // not even a whole piece arrives
				return
			}
		}
		if n > 0 {
			if _, err := server.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// blow reports whether this connection is the one that the fuse cuts.
func (p *proxy) blow(f *fuse) bool {
	if !p.fuse.CompareAndSwap(f, nil) {
		return false
	}
	p.torn.Add(1)
	close(f.blown)
	return true
}
