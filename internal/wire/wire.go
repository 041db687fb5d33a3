// Package wire holds what both sides of the cluster share: the name of the
// broadcast job, and the conversions between the feed's protobuf entries and the
// events of the HLS model. Encode stands beside decode, so that neither side can
// drift from the other.
package wire

import (
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
	"github.com/pharos-live/pharos/runner"
)

// Broadcast is the job that carries one broadcast on a runner.
var Broadcast = runner.DefineJob[*broadcastv1.Spec, *broadcastv1.Started]("broadcast")
