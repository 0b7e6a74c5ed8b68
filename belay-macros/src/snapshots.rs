//! What the macros write, for a person to read: input in the test, output in `snapshots/`.

// Without the parser bodies are not made smaller.
#![cfg(feature = "syntax")]

use proc_macro2::TokenStream;

fn pretty(tokens: TokenStream) -> String {
    let file: syn::File = syn::parse2(tokens.clone()).unwrap_or_else(|error| panic!("{error}: {tokens}"));
    prettyplease::unparse(&file)
}

fn check(name: &str, output: &str) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, output);
    });
}

fn device(args: &str, item: &str) -> String {
    pretty(crate::expand_device(args.parse().unwrap(), item.parse().unwrap()))
}

fn task(args: &str, item: &str) -> String {
    pretty(crate::expand_alone(crate::model::Kind::Task, args.parse().unwrap(), item.parse().unwrap()))
}

#[test]
fn a_device_trait() {
    check(
        "a_device_trait",
        &device(
            "",
            r####"
/// What a Pico with its built-in temperature sensor can do.
pub trait Thermometer {
    /// Runs by itself.
    #[belay::setup(timeout = "10s")]
    async fn open(&self) -> Result<()> {
        r#"
        # Channel 4 is inside of the chip.
        from machine import ADC
        adc = ADC(4)
        "#
    }

    /// Degrees Celsius.
    #[belay::task(timeout = "2s", idempotent)]
    async fn read_temp(&self, pin: u8, samples: &[u16]) -> Result<f32> {
        r#"
        """Reads the sensor."""
        volts: float = adc.read_u16() * 3.3 / 65535

        return (27 - (volts - 0.706) / 0.001721,
                samples)
        "#
    }

    /// A Rust body.
    async fn warmest(&self, times: u8) -> Result<f32> {
        let mut warmest = f32::MIN;
        for _ in 0..times {
            warmest = self.read_temp(26, &[]).await?.max(warmest);
        }
        Ok(warmest)
    }

    fn unit(&self) -> &'static str {
        "°C"
    }
}
"####,
        ),
    );
}

#[test]
fn all_forms() {
    check(
        "all_forms",
        &device(
            "",
            r####"
trait Board {
    #[setup]
    async fn configure(&self, pin: u8) -> Result<()> {
        "from machine import Pin
         led = Pin(pin, Pin.OUT)"
    }

    #[task]
    fn samples(&self, names: &[&str]) -> impl Stream<Item = Result<(String, bool)>> {
        "for name in names: yield name, led.value()"
    }

    #[thread]
    async fn blink(&self) -> Result<Thread> {
        "while True:
             led.toggle()
             yield"
    }

    #[teardown]
    async fn off(&self) -> Result<()> { "led.off()" }
}
"####,
        ),
    );
}

#[test]
fn a_stream_alone() {
    check(
        "a_stream_alone",
        &task(
            "",
            r##"fn count(board: &Device, to: u8) -> impl belay::Stream<Item = Result<u8>> { "yield from range(to)" }"##,
        ),
    );
}

#[test]
fn attributes_generics_and_names() {
    check(
        "attributes_generics_and_names",
        &device(
            r#"crate = "crate::my_belay""#,
            r####"
pub(crate) trait Odd: Send {
    #[cfg(feature = "setup")]
    #[setup]
    async fn prepare(&self) -> Result<()> { "x = 1" }

    #[cfg(feature = "odd")]
    #[deprecated = "old"]
    #[expect(non_snake_case)]
    #[task(name = "py")]
    async fn r#type<'a, T>(&'a self, args: T, self_: impl Serialize, r#match: u8) -> Result<Vec<T>>
    where
        T: Serialize + DeserializeOwned,
    {
        "return [args, self_, match]"
    }
}
"####,
        ),
    );
}

#[test]
fn a_method_alone() {
    check(
        "a_method_alone",
        &task(
            r#"timeout = "500ms""#,
            r####"
/// Doc.
pub async fn free_memory(&self, collect: bool) -> belay::Result<u32> {
    "import gc
     if collect: gc.collect()
     return gc.mem_free()"
}
"####,
        ),
    );
}

#[test]
fn a_free_function() {
    check("a_free_function", &task("", r##"async fn f(board: &Device) -> Result<()> { "pass" }"##));
}

#[test]
fn errors_leave_the_signatures() {
    check(
        "errors_leave_the_signatures",
        &device(
            "",
            r####"
trait Wrong {
    const LIMIT: u8;
    type Output;
    #[task(timeuot = "2s")]
    async fn first(&self) -> Result<u8> { "return 1" }
    #[task]
    async fn second(self, (a, b): (u8, u8), _: u8, mut c: u8, lambda: u8) -> Result<u8> { 1 }
    #[task]
    fn third(&mut self) {}
    #[setup]
    async fn prepare(&self, n: u8) -> Result<()> { "x = 1" }
    #[task]
    async fn good(&self) -> Result<u8> { "return 1" }
}
"####,
        ),
    );
}

#[test]
fn a_setup_alone_keeps_its_signature() {
    let item = "async fn f(&self) -> Result<()> { \"x = 1\" }";
    check(
        "a_setup_alone_keeps_its_signature",
        &pretty(crate::expand_misplaced(crate::model::Kind::Setup, TokenStream::new(), item.parse().unwrap())),
    );
}
