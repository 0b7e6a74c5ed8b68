//! How long the macro takes for a crate with many tasks: `cargo test -p belay-macros two_hundred -- --nocapture`.

// Without the parser there is nothing to wait for.
#![cfg(feature = "syntax")]

use std::time::{Duration, Instant};

use proc_macro2::TokenStream;

use crate::examples::sources;

/// How long a debug build may spend here.
const LIMIT: Duration = Duration::from_millis(1500);

/// Tasks as programs have them; `NNN` is another number in each.
const TASKS: [&str; 5] = [
    r##"
    /// Reads the NNNth channel until it is quiet.
    #[belay::task(timeout = "2s", idempotent)]
    async fn settled_NNN(&self, samples: u16, limit: f32) -> Result<Option<f32>> {
        r#"
        """The mean of a channel, if it does not move by more than the limit."""
        total = 0
        lowest, highest = 65535, 0
        for _ in range(samples):
            # The converter has 12 bits, and says 16.
            value = adc.read_u16() >> 4
            total += value
            lowest = min(lowest, value)
            highest = max(highest, value)
            time.sleep_ms(NNN)
        if highest - lowest > limit:
            return None
        return total / samples * 3.3 / 4095 + NNN
        "#
    }
"##,
    r##"
    #[belay::task]
    async fn frame_NNN(&self, payload: &[u8], address: u8) -> Result<Vec<u8>> {
        r#"
        def crc16(data, value=0xFFFF):
            for byte in data:
                value ^= byte
                for _ in range(8):
                    if value & 1:
                        value = (value >> 1) ^ 0xA001
                    else:
                        value >>= 1
            return value

        # Address, function NNN, length, payload, checksum.
        frame = bytearray((address, NNN & 0x7F, len(payload)))
        frame.extend(bytes(payload))
        frame.extend(struct.pack("<H", crc16(frame)))
        uart.write(frame)
        answer = uart.read(8) or b""
        if crc16(answer):
            raise ValueError(f"frame NNN of {address}: {answer!r}")
        return list(answer[3:-2])
        "#
    }
"##,
    r##"
    #[belay::task]
    fn samples_NNN(&self, count: u32, period_ms: u32) -> impl Stream<Item = Result<(u32, f32)>> {
        r#"
        filtered = None
        begun = time.ticks_ms()
        for number in range(count):
            raw = adc.read_u16()
            filtered = raw if filtered is None else filtered + (raw - filtered) / NNN
            yield time.ticks_diff(time.ticks_ms(), begun), filtered
            while time.ticks_diff(time.ticks_ms(), begun) < period_ms * (number + 1):
                time.sleep_ms(1)
        "#
    }
"##,
    r##"
    #[belay::task(name = "move_NNN")]
    async fn r#move_NNN(&self, angles: &[f32], speed: f32) -> Result<BTreeMap<String, f32>> {
        r#"
        class Joint:
            def __init__(self, number, angle):
                self.number, self.angle = number, angle

            @property
            def duty(self):
                return int(1638 + self.angle / 180 * 6553) + NNN

        joints = [Joint(number, angle) for number, angle in enumerate(angles) if angle is not None]
        try:
            for joint in sorted(joints, key=lambda joint: joint.number):
                pwm.duty_u16(joint.duty)
                time.sleep(abs(joint.angle) / speed)
        finally:
            pwm.duty_u16(0)
        return {f"joint {joint.number:02}": joint.angle for joint in joints}
        "#
    }
"##,
    r##"
    /// Short ones are the most.
    #[belay::task]
    async fn toggle_NNN(&self) -> Result<bool> {
        "led.toggle()  # NNN
         return led.value() == NNN & 1"
    }
"##,
];

const SETUP: &str = r##"
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        import struct, time
        from machine import ADC, PWM, Pin, UART
        adc, led, uart = ADC(26), Pin(25, Pin.OUT), UART(0)
        pwm = PWM(Pin(15))
        "#
    }
"##;

/// What this thread spent of a processor, where that is known: others may be busy on it too.
fn processor_time() -> Option<Duration> {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    times.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

#[test]
fn two_hundred_tasks_do_not_keep_a_build_waiting() {
    // Ten traits of twenty.
    let bodies: Vec<String> = (0..200).map(|n| TASKS[n % TASKS.len()].replace("NNN", &(n + 1).to_string())).collect();
    let traits: Vec<TokenStream> = bodies
        .chunks(20)
        .enumerate()
        .map(|(n, tasks)| format!("pub trait Rig{n} {{ {SETUP} {} }}", tasks.concat()).parse().unwrap())
        .collect();
    let source: usize = bodies.iter().map(String::len).sum();
    let mut fastest = Duration::MAX;
    let mut deployed = Vec::new();
    for _ in 0..3 {
        let (wall, processor) = (Instant::now(), processor_time());
        let expanded: Vec<TokenStream> =
            traits.iter().map(|item| crate::expand_device(TokenStream::new(), item.clone())).collect();
        let spent = processor_time().zip(processor).map(|(after, before)| after - before);
        fastest = fastest.min(spent.unwrap_or(wall.elapsed()));
        deployed.clear();
        expanded.into_iter().for_each(|expanded| sources(expanded, &mut deployed));
    }
    let bytes: usize = deployed.iter().map(String::len).sum();
    println!("200 tasks: {fastest:?}; {source} bytes with their signatures, {bytes} deployed");
    assert_eq!(deployed.len(), 210, "something is in error");
    assert!(fastest <= LIMIT, "{fastest:?}");
}
