package transfer

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
)

// Why a connection was refused or closed.
const (
	RefusedAccept  = "accept"              // the system could not hand it over
	RefusedAddress = "address-connections" // its address has as many as it may
	RefusedFull    = "connections"         // the server has as many as it may, all of them with a request
	ClosedIdle     = "idle-connections"    // it waited for a request longest when the server was full
)

// Connections bounds the open connections of a server, over all its listeners.
// When there are as many as there may be, the one that has been without a request
// for longest makes room for the next: whoever only holds connections open keeps
// nobody out.
type Connections struct {
	max, perAddress int
	shared          func(netip.Addr) bool
	refused         func(reason string, err error)

	mu      sync.Mutex
	ended   bool // nothing is admitted any more
	open    int
	of      map[netip.Addr]int // open ones by address, without those that are shared
	waiting list.List          // of *conn without a request, the longest first
}

// place is what Connections knows of a connection.
type place struct {
	address netip.Addr    // under which it is counted; invalid: under none
	waiting *list.Element // nil: it has a request, or is not open any more
	open    bool
}

// NewConnections returns bounds for all connections and for those of one address.
// The latter does not hold for addresses that are shared: by all programs of this
// machine, or by all clients of a proxy. Unix sockets have no address. refused is
// told of every connection that is refused or closed; err is nil but for
// RefusedAccept.
func NewConnections(limit, perAddress int, shared func(netip.Addr) bool, refused func(reason string, err error)) *Connections {
	return &Connections{max: limit, perAddress: perAddress, shared: shared, refused: refused, of: map[netip.Addr]int{}}
}

// admit counts a connection, and reports whether it may be served.
func (s *Connections) admit(c *conn) bool {
	idle, reason, ok := s.count(c)
	if idle != nil {
		_ = idle.Close() // only its client could be told, who has not asked for anything
	}
	if reason != "" {
		s.refused(reason, nil)
	}
	return ok
}

// count admits a connection if it may be. idle is the connection that is to be
// closed for it.
func (s *Connections) count(c *conn) (idle *conn, reason string, ok bool) {
	address := s.address(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, RefusedFull, false
	}
	if address.IsValid() && s.of[address] >= s.perAddress {
		return nil, RefusedAddress, false
	}
	if s.open >= s.max {
		longest := s.waiting.Front()
		if longest == nil {
			return nil, RefusedFull, false
		}
		idle, reason = longest.Value.(*conn), ClosedIdle
		s.drop(idle)
	}
	s.open++
	if address.IsValid() {
		s.of[address]++
	}
	c.place = place{address: address, open: true, waiting: s.waiting.PushBack(c)}
	return idle, reason, true
}

// address returns the address under which a connection is counted.
func (s *Connections) address(c net.Conn) netip.Addr {
	peer := PeerAddress(c.RemoteAddr())
	if !peer.IsValid() || s.shared(peer) {
		return netip.Addr{}
	}
	return Network(peer)
}

// release forgets a connection that is closed.
func (s *Connections) release(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(c)
}

func (s *Connections) drop(c *conn) {
	if !c.place.open {
		return
	}
	s.open--
	if address := c.place.address; address.IsValid() {
		if s.of[address]--; s.of[address] == 0 {
			delete(s.of, address)
		}
	}
	if c.place.waiting != nil {
		s.waiting.Remove(c.place.waiting)
	}
	c.place = place{}
}

// End closes all connections that have no request and, as soon as it is answered,
// those that have. fasthttp closes only those that have had one, and otherwise
// waits for whoever has said nothing yet.
func (s *Connections) End() {
	s.mu.Lock()
	s.ended = true
	var idle []*conn
	for e := s.waiting.Front(); e != nil; e = e.Next() {
		idle = append(idle, e.Value.(*conn))
	}
	s.mu.Unlock()
	for _, c := range idle {
		_ = c.Close() // its client has not asked for anything
	}
}

// Open returns how many connections are open.
func (s *Connections) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// HasRequest notes that a request has come in over a connection and is not
// answered yet.
func HasRequest(nc net.Conn) {
	c := own(nc)
	if c == nil {
		return
	}
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	if c.place.waiting != nil {
		c.all.waiting.Remove(c.place.waiting)
		c.place.waiting = nil
	}
}

// WaitsForRequest notes that everything that came in over a connection has been
// answered.
func WaitsForRequest(nc net.Conn) {
	c := own(nc)
	if c == nil {
		return
	}
	c.lineEnded = false
	c.all.mu.Lock()
	ended := c.all.ended
	if c.place.open && c.place.waiting == nil {
		c.place.waiting = c.all.waiting.PushBack(c)
	}
	c.all.mu.Unlock()
	if ended {
		_ = c.Close() // it would only wait
	}
}

// PeerAddress returns the address of the other side of a connection; it is not
// valid for Unix sockets.
func PeerAddress(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// Network returns the address under which what comes from an address is counted.
// Who has an IPv6 address has the 2^64 that differ in their second half.
func Network(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	prefix, err := a.Prefix(64)
	if err != nil {
		return a // it cannot fail for an address of IPv6
	}
	return prefix.Addr()
}
