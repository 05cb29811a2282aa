package store_test

import (
	"os"
	"testing"

	"buildbtw/store/storetest"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(killedAt); path != "" {
		os.Exit(openToDie(path))
	}
	os.Exit(storetest.Main(m))
}
