//! Frames go in, bytes come out.

use proptest::prelude::*;

use super::*;

fn drain(queue: &mut FrameQueue, piece: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while queue.len() > 0 {
        let next = queue.next();
        let next = &next[..next.len().min(piece)];
        all.extend_from_slice(next);
        let written = next.len();
        queue.advance(written);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::property::cases(48)))]

    #[test]
    fn what_goes_in_comes_out_in_any_pieces(
        frames in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..40_000), any::<bool>()), 1..6),
        piece in 1usize..50_000, skip in 0usize..20,
    ) {
        let mut queue = FrameQueue::default();
        let mut all = Vec::new();
        for (at, (bytes, shared)) in frames.iter().enumerate() {
            let skip = if at == 0 { skip.min(bytes.len()) } else { 0 };
            let (first, second) = bytes.split_at(bytes.len() / 2);
            let bytes = Bytes::copy_from_slice(second);
            let second = if *shared { Part::Shared(&bytes) } else { Part::Copied(second) };
            queue.push([Part::Copied(first), second.clone()], skip, Kind::Limited);
            all.extend([first, &bytes].concat().split_off(skip));
        }
        prop_assert_eq!(queue.len(), all.len());
        prop_assert_eq!(drain(&mut queue, piece), all);
        prop_assert_eq!(queue.owned_bytes(), 0);
    }

    #[test]
    fn a_started_frame_is_kept_whole_and_nothing_else(
        lengths in prop::collection::vec(1usize..30_000, 2..6), written in 0usize..60_000,
    ) {
        let mut queue = FrameQueue::default();
        let whole: usize = lengths.iter().sum();
        for length in &lengths {
            queue.push([Part::Copied(&vec![7; *length])], 0, Kind::Limited);
        }
        let mut left = written.min(whole);
        while left > 0 {
            let piece = queue.next().len().min(left);
            queue.advance(piece);
            left -= piece;
        }
        let mut end = 0;
        let ends = lengths.iter().map(|length| { end += length; end });
        let started = ends.map(|end| (end, written.min(whole))).find(|(end, at)| end > at);
        let starts = |end: usize| lengths.iter().scan(0, |s, l| { let at = *s; *s += l; Some((at, at + l)) })
            .find(|(_, e)| *e == end).map(|(s, _)| s);
        let expected = started.filter(|(end, at)| starts(*end) != Some(*at)).map_or(0, |(end, at)| end - at);
        queue.drop_unstarted();
        prop_assert_eq!(queue.len(), expected);
        prop_assert_eq!(drain(&mut queue, 1000).len(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::property::cases(48)))]

    #[test]
    fn a_control_frame_follows_the_started_frame(
        frames in prop::collection::vec((1usize..30_000, any::<bool>()), 0..6),
        written in 0usize..60_000,
    ) {
        let mut queue = FrameQueue::default();
        let (mut all, mut starts) = (Vec::new(), vec![0]);
        for (number, (length, shared)) in (0u8..).zip(&frames) {
            let frame = Bytes::from(vec![number; *length]);
            let part = if *shared { Part::Shared(&frame) } else { Part::Copied(&frame) };
            queue.push([part], 0, if *shared { Kind::Response } else { Kind::Limited });
            all.extend_from_slice(&frame);
            starts.push(all.len());
        }
        let written = written.min(all.len());
        let mut left = written;
        while left > 0 {
            let piece = queue.next().len().min(left);
            queue.advance(piece);
            left -= piece;
        }
        let next = starts.into_iter().find(|start| *start >= written).unwrap();
        let (len, limited) = (queue.len(), queue.limited_len());
        queue.push_control(b"ping");
        prop_assert_eq!((queue.len(), queue.limited_len()), (len + 4, limited + 4));
        let expected = [&all[written..next], b"ping", &all[next..]].concat();
        prop_assert_eq!(drain(&mut queue, 1000), expected);
        prop_assert_eq!(queue.owned_bytes(), 0);
    }
}

#[test]
fn written_bytes_are_freed_while_the_reader_lags() {
    let mut queue = FrameQueue::default();
    let line = [b'x'; 1000];
    for _ in 0..1000 {
        queue.push([Part::Copied(&line)], 0, Kind::Limited);
    }
    // Twenty megabytes pass through the queue while one megabyte waits.
    let mut most = 0;
    for _ in 0..20_000 {
        queue.push([Part::Copied(&line)], 0, Kind::Limited);
        let mut left = 1000;
        while left > 0 {
            let piece = queue.next().len().min(left);
            queue.advance(piece);
            left -= piece;
        }
        most = most.max(queue.owned_bytes());
    }
    assert_eq!(queue.len(), 1_000_000);
    assert!(most < 1_200_000, "{most} bytes are allocated for a million");
}

#[test]
fn a_shared_text_is_not_copied() {
    let text = Bytes::from(vec![b'x'; 200_000]);
    let mut queue = FrameQueue::default();
    queue.push(
        [Part::Copied(b"head"), Part::Shared(&text)],
        0,
        Kind::Limited,
    );
    queue.advance(4);
    assert_eq!(queue.next().as_ptr(), text.as_ptr());
    assert!(queue.owned_bytes() < 1000, "{}", queue.owned_bytes());
}
