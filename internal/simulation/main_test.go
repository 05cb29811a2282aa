package simulation_test

import (
	"os"
	"testing"

	"buildbtw/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
