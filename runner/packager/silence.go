package packager

// The syntactic elements of an AAC frame (ISO/IEC 14496-3, table 4.85).
const (
	elementSCE = 0 // single channel
	elementCPE = 1 // channel pair
	elementLFE = 3 // low frequency effects
	elementEnd = 7
)

// channelElements are the elements of a frame by channelConfiguration (table 1.19).
var channelElements = [8][]uint{
	1: {elementSCE},
	2: {elementCPE},
	3: {elementSCE, elementCPE},
	4: {elementSCE, elementCPE, elementSCE},
	5: {elementSCE, elementCPE, elementCPE},
	6: {elementSCE, elementCPE, elementCPE, elementLFE},
	7: {elementSCE, elementCPE, elementCPE, elementCPE, elementLFE},
}

// silentFrame is a raw AAC frame in which no channel has a spectrum: max_sfb is 0, so that there
// are no sections, no scale factors and no coefficients. It is silence at every sample rate.
func silentFrame(channelConfig uint8) []byte {
	var w bitWriter
	var tags [8]uint // element_instance_tag counts elements of a kind
	for _, element := range channelElements[channelConfig&7] {
		w.put(element, 3)
		w.put(tags[element], 4)
		tags[element]++
		if element == elementCPE {
			w.put(1, 1) // common_window
			w.icsInfo()
			w.put(0, 2) // ms_mask_present
			w.channel(false)
			w.channel(false)
		} else {
			w.channel(true)
		}
	}
	w.put(elementEnd, 3)
	return w.bytes
}

// bitWriter writes most significant bits first.
type bitWriter struct {
	bytes []byte
	free  uint // bits in the last byte
}

func (w *bitWriter) put(v, n uint) {
	for ; n > 0; n-- {
		if w.free == 0 {
			w.bytes, w.free = append(w.bytes, 0), 8
		}
		w.free--
		w.bytes[len(w.bytes)-1] |= byte(v>>(n-1)&1) << w.free
	}
}

// icsInfo writes ics_info (table 4.6): one long window, no bands, no prediction.
func (w *bitWriter) icsInfo() { w.put(0, 1+2+1+6+1) }

// channel writes individual_channel_stream (table 4.50): global_gain, ics_info unless it is the
// pair's, and that there are no pulses, no noise shaping and no gain control.
func (w *bitWriter) channel(own bool) {
	w.put(0, 8)
	if own {
		w.icsInfo()
	}
	w.put(0, 3)
}
