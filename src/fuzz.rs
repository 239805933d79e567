//! The fuzz harness: a target gets the inputs of its corpus, and then changed ones for a while.
//!
//! A target is a function of bytes. It asserts what must always hold, and returns how far the
//! input came. An input that came where none was before is kept and changed further. The corpus
//! of a target is the folder `spec/corpus/<target>`: a file added there is tried by every run.
//!
//! `MESH_FUZZ_SECONDS` is the time for each target, `MESH_SEED` decides the inputs.
//! `MESH_FUZZ_INPUT` names a file that is tried alone. `MESH_FUZZ_TRACE=1` writes each input to
//! `target/fuzz/<target>-last` before it is tried, for those that end the process.

pub mod fixture;
mod mutation;

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use self::mutation::Mutator;

/// How long the gate tries each target.
const SECONDS: u64 = 5;
/// The most inputs that are kept beside the corpus.
const MAX_KEPT: usize = 4096;
/// An input that takes longer, twice, is a failure.
const TOO_LONG: Duration = Duration::from_secs(10);

/// A target and what its inputs are made of.
pub struct Fuzz {
    /// Its name, and that of the folder with its corpus.
    pub target: &'static str,
    /// The file of words that inputs contain, `spec/corpus/<tokens>.dict`: one a line.
    pub tokens: &'static str,
    /// Kinds of inputs of which the run must have tried some: it would test nothing otherwise.
    pub kinds: &'static [&'static str],
}

/// How far an input came.
#[derive(Default)]
pub struct Outcome {
    kinds: Vec<&'static str>,
    features: Vec<u64>,
}

impl Outcome {
    /// The input passed the target's parser as an input of this kind.
    pub fn passed(&mut self, kind: &'static str) {
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
    }

    /// The input had this effect. One with an effect that no input had before is kept.
    pub fn had(&mut self, effect: impl Hash) {
        self.features.push(hash(effect));
    }

    /// The input had an answer of this shape: its members' names and types, and its error types.
    pub fn answered(&mut self, answer: &Value) {
        self.had(shape(answer));
    }
}

/// What a run has tried.
#[derive(Default)]
struct Report {
    inputs: u64,
    passed: u64,
    kinds: BTreeMap<&'static str, u64>,
    features: HashSet<u64>,
    slowest: Duration,
}

impl Report {
    /// Counts an input; returns whether it had an effect that none had before.
    fn count(&mut self, outcome: &Outcome, took: Duration) -> bool {
        self.inputs += 1;
        self.passed += u64::from(!outcome.kinds.is_empty());
        for kind in &outcome.kinds {
            *self.kinds.entry(kind).or_default() += 1;
        }
        self.slowest = self.slowest.max(took);
        let before = self.features.len();
        self.features.extend(&outcome.features);
        self.features.len() > before
    }
}

impl Fuzz {
    /// Tries the corpus and changed inputs. A panic of the target, or an input that takes too
    /// long, fails the test with the input in a file.
    pub fn run(&self, mut target: impl FnMut(&[u8]) -> Outcome) {
        if let Some(file) = std::env::var_os("MESH_FUZZ_INPUT") {
            target(&std::fs::read(file).expect("the input's file"));
            return;
        }
        let (seed, seconds) = (number("MESH_SEED", 1), number("MESH_FUZZ_SECONDS", SECONDS));
        let (began, limit) = (Instant::now(), Duration::from_secs(seconds));
        let mut report = Report::default();
        let mut inputs = self.corpus();
        for input in &inputs {
            self.attempt(input, &mut target, &mut report, seed);
        }
        let tokens = folder().join(format!("{}.dict", self.tokens));
        let tokens = std::fs::read_to_string(tokens).expect("a file of words");
        let mut mutator = Mutator::new(seed, tokens.lines().collect());
        let corpus = inputs.len();
        while began.elapsed() < limit {
            // Half of the time an input of the corpus: there may be many kept ones.
            let among = if mutator.one_in(2) {
                corpus
            } else {
                inputs.len()
            };
            let (input, other) = (mutator.below(among), mutator.below(among));
            let input = mutator.change(&inputs[input], &inputs[other]);
            let is_new = self.attempt(&input, &mut target, &mut report, seed);
            if is_new && inputs.len() < corpus + MAX_KEPT {
                inputs.push(input);
            }
        }
        println!(
            "fuzz {}: {} inputs in {seconds} s, {} passed {:?}, {} kept, slowest {} ms, seed {seed}",
            self.target,
            report.inputs,
            report.passed,
            report.kinds,
            inputs.len() - corpus,
            report.slowest.as_millis(),
        );
        for kind in self.kinds {
            let some = report.kinds.contains_key(kind);
            assert!(
                some,
                "fuzz {}: no input was {kind}, seed {seed}",
                self.target
            );
        }
    }

    /// Tries an input; returns whether it is worth keeping.
    fn attempt(
        &self,
        input: &[u8],
        target: &mut impl FnMut(&[u8]) -> Outcome,
        report: &mut Report,
        seed: u64,
    ) -> bool {
        if std::env::var_os("MESH_FUZZ_TRACE").is_some() {
            self.write("last", input);
        }
        let mut timed = || {
            let began = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
            (outcome, began.elapsed())
        };
        let (mut outcome, mut took) = timed();
        if took > TOO_LONG {
            // The machine may have been busy.
            (outcome, took) = timed();
        }
        match outcome {
            Ok(outcome) if took <= TOO_LONG => report.count(&outcome, took),
            _ => {
                let file = self.write(&format!("{seed}-{}", report.inputs), input);
                panic!(
                    "fuzz {}, seed {seed}, input {}: see above, or it took too long ({took:?}).\n\
                     Once more: MESH_FUZZ_INPUT={file} cargo test --lib -- {}\n\
                     In every run: copy the file into spec/corpus/{}\nThe input: b\"{}\"",
                    self.target,
                    report.inputs,
                    std::thread::current().name().unwrap_or_default(),
                    self.target,
                    input[..input.len().min(2000)].escape_ascii(),
                    file = file.display(),
                )
            }
        }
    }

    fn write(&self, name: &str, input: &[u8]) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz");
        std::fs::create_dir_all(&folder).expect("a folder for inputs");
        let file = folder.join(format!("{}-{name}", self.target));
        std::fs::write(&file, input).expect("a file for the input");
        file
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        let mut files = files(self.target);
        // A folder lists its files in any order; the seed is to decide.
        files.sort();
        let inputs: Vec<_> = files
            .iter()
            .map(|file| std::fs::read(file).expect("a file"))
            .collect();
        assert!(!inputs.is_empty(), "spec/corpus/{} is empty", self.target);
        inputs
    }
}

/// The corpus of a target.
fn files(target: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder().join(target)).expect("a corpus");
    let entries = entries.map(|entry| entry.expect("an entry").path());
    entries.collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("spec/corpus")
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The names and types in a value, and error types.
fn shape(value: &Value) -> u64 {
    match value {
        Value::Object(members) => hash(
            members
                .iter()
                .map(|(name, value)| match value {
                    Value::String(text) if name == "errorType" => (hash(name), hash(text)),
                    value => (hash(name), shape(value)),
                })
                .collect::<Vec<_>>(),
        ),
        // Lists of any lengths have one shape.
        Value::Array(items) => hash((2, items.first().map(shape), items.len() > 1)),
        Value::String(_) => 3,
        Value::Number(_) => 4,
        Value::Bool(_) => 5,
        Value::Null => 6,
    }
}
