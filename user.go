package buildbtw

// Role is the rights of a user. Each role of people includes those before it.
type Role string

// The roles of people, weakest first, and that of machines.
const (
	RoleNone     Role = ""         // nobody is known to be asking
	RoleReader   Role = "reader"   // may look
	RolePackager Role = "packager" // may create and change buildspaces
	RoleAdmin    Role = "admin"    // may also manage workers and users
	RoleWorker   Role = "worker"   // a build machine: may claim, and change the builds that it has leases of
)

// User is who is asking.
type User struct {
	Name string
	Role Role
}

// Local is who is asking in single-user mode, where only the machine's own
// people can reach the server.
func Local() User { return User{Name: "local", Role: RoleAdmin} }

// System is the name under which the service itself appears in events.
const System = "buildbtw"

// MayRead reports whether the user may look at pages and lists.
func (u User) MayRead() error {
	if u.Role == RoleNone {
		return Unauthenticated("sign in first")
	}
	return nil
}

// MayChange reports whether the user may create, edit, stop, start, retry and
// cancel. Handlers call it to refuse, views to hide the button.
func (u User) MayChange() error {
	switch u.Role {
	case RolePackager, RoleAdmin:
		return nil
	case RoleNone:
		return Unauthenticated("sign in first")
	default:
		return Forbidden("%s may look but not change; ask an administrator for the packager role", u.Name)
	}
}

// MayClaim returns nil for build machines and administrators, and else why not.
func (u User) MayClaim() error {
	switch u.Role {
	case RoleWorker, RoleAdmin:
		return nil
	case RoleNone:
		return Unauthenticated("build machines present their token as \"Authorization: Bearer …\"; see --worker-token-file")
	default:
		return Forbidden("only build machines may claim builds")
	}
}

// MayAdminister returns nil when the user may manage workers and users, and else
// why not.
func (u User) MayAdminister() error {
	switch u.Role {
	case RoleAdmin:
		return nil
	case RoleNone:
		return Unauthenticated("sign in first")
	default:
		return Forbidden("only an administrator may do this")
	}
}
