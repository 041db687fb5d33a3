// Package ffmpeg encodes a broadcast's ladder of renditions with one ffmpeg process, and begins another
// where that fails.
//
//	             ┌──────────────── ffmpeg ────────────────┐
//	Write ─queue─▶ stdin, NUT ─ decode ─┬─ select, scale, x264 ─ fd 3, NUT ─▶ OnPacket(0, …)
//	                                    ├─ select, scale, x264 ─ fd 4, NUT ─▶ OnPacket(1, …)
//	                                    └─ …                     stderr ─▶ log, last 20 lines kept
//
// The source is decoded once and encoded per rung. Only video goes in; audio goes around it.
// A [Process] is one ffmpeg, a [Supervisor] keeps one after another going, and [Probe] and [Choose] find
// out what this machine can encode with. Everything else is pure: [ParseLadder] reads the TRANSCODE
// setting, [Backend.Fit] chooses the rungs that a source can feed, [Args] turns them into the command line,
// and [IDRPredictor] tells where the rungs' IDRs will fall.
//
// # What it promises
//
//   - Every packet that comes out carries, to the tick of 90 kHz, the PTS of the source frame it was
//     made of, so that audio, metadata and wall clock join the rungs by PTS alone.
//   - Every source keyframe is an IDR in every rung, and so is every frame that comes [GOP] frames
//     after the last IDR of its rung: a segment's length never passes without one, as long as the
//     source keeps the rate that [Source] names.
//   - Bit rates hold over VBV windows of one second: busy content within 10 % of what was asked, easy
//     content below. Encoders share bits out per frame: a source with more frames per second than
//     Source.FPS says gets more, in proportion, so measure it rather than trust metadata.
//   - Rungs of up to 480 lines are Main profile, higher ones High; the level is the lowest that holds size,
//     rate and bit rate. Closed GOPs, no B-frames, 4:2:0, 8 bits.
//   - No frame waits for another one: each is out of every rung before the next one comes in, unless the
//     source has B-frames.
//   - [Process.Write] never waits for ffmpeg. When ffmpeg falls behind, whole GOPs are left out at the
//     front door, counted, and the rest stays decodable.
//   - A [Supervisor] notices an ffmpeg that has ended, stalled or fallen behind, says so once, and has the
//     next keyframe begin another. It tells what is lost meanwhile, and all that comes is whole.
//   - ffmpeg ends when its context does (SIGTERM, then SIGKILL), and on Linux also when this process
//     dies. It sees no credentials: its environment is an allow-list.
//
// # Why the recipe is as it is
//
//   - NUT both ways, because a NUT frame says its size in front: a frame is complete when its last byte
//     is there (2 ms), while MPEG-TS and fragmented MP4 hold it until the next one comes. Memory stays
//     flat for days: the input uses NUT's pipe mode, which has no syncpoints to remember, and the
//     outputs write no index.
//   - -probesize 4096 -analyzeduration 0: ffmpeg asks for no more than the headers, which say all. Without
//     them it reads 0.7 s of video first; -fflags nobuffer would throw the first GOP away.
//   - -flags low_delay: no frame threads in the decoder, each of which would cost a frame of delay.
//   - -copyts -fps_mode passthrough -enc_time_base -1: timestamps pass through; without the last they are
//     rounded to whole frame durations.
//   - The frame rate is lowered by select, never by fps or -r, which replace keyframes by their neighbours:
//     four of seven were lost. One interval may be short in front of a keyframe.
//   - -force_key_frames source with -sc_threshold 0: IDRs at the source's keyframes and by count, and nowhere else.
//   - x264 is told the frame rate that leaves select. Left alone it believes the rate in front of it, and
//     a rung of 30 out of 60 frames per second gets half of its bits. Telling it to go by timestamps
//     (force-cfr=0) would do that, too, but holds each frame back until the next one comes.
//   - veryfast with zerolatency: no lookahead, no B-frames, threads by slices instead of by frames.
//   - -flush_packets 1: without it packets wait for a 32 KiB buffer to fill.
//
// # Backends
//
//	           decodes            scales          encodes
//	software   CPU                CPU             libx264, libx265
//	nvidia     NVDEC              scale_cuda      h264_nvenc, hevc_nvenc
//	vaapi      the graphics       scale_vaapi     h264_vaapi, hevc_vaapi
//	xilinx     CPU                multiscale_xma  mpsoc_vcu_h264, mpsoc_vcu_hevc    (Alveo U30, Xilinx's ffmpeg)
//
// The recipe is the same: NUT, select, passthrough, IDRs by -force_key_frames source and by count, constant
// bit rate, no B-frames, no lookahead, and no picture held back that an option can set free. What is
// particular to each stands with its recipe. Golden files hold all of them; what they do was tried in
// software only.
//
//   - Hardware encoders have no option like x264's fps=, and believe the frame rate in front of select. They
//     are asked for as many times the bit rate as select leaves frames out.
//   - x264 begins its count of frames anew at a forced IDR, and so does VA-API, where ffmpeg itself
//     counts. Should a card's driver count on, IDRs between keyframes come elsewhere than foreseen: only
//     GOPs longer than a segment notice, and the packager counts such cuts.
//
// # H.265
//
// [WithH265] gives each rung a twin in H.265, and sources may be in H.265: the same NUT streams, with
// other codec data. An IDR falls where the H.264 rung has one. See x265 for the options.
//
// # Mid-stream changes
//
// New parameter sets go in-band: [Process.Reconfigure] keeps the sets of a new AVC or HEVC configuration
// record and puts them in front of the next keyframe. A rung's picture size never changes; a source
// of another shape is scaled into it.
package ffmpeg
