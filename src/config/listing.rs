//! `mesh-v2 check`: every setting with its effective value, and names that are no setting.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use clap::{Arg, ArgMatches, Args as _, CommandFactory as _};

use crate::config::{Cli, ServeArgs, StageSettings};

/// Variables of other programs that read the same `.env` file (docs/deployment.md).
const OF_THE_STACK: [&str; 6] = [
    "MESH_SECRET_NAME",
    "MESH_LAMBDA_FOLDER",
    "MESH_APPSYNC_URL",
    "MESH_APPSYNC_ATTEMPTS",
    "MESH_APPSYNC_ATTEMPT_MS",
    "MESH_APPSYNC_MESSAGE_MS",
];
/// Secrets that have a value for development.
const DEVELOPMENT_VALUES: [&str; 2] = ["MESH_API_KEYS", "MESH_SECRET_KEY"];
/// How alike two names must be for one to be suggested, from 0 to 1.
const ALIKE: f64 = 0.85;

/// The effective settings in the form of a `.env` file, without secrets. `given` is what the
/// command line and the environment contain.
pub fn listing(args: &ServeArgs, given: &ArgMatches, settings: &StageSettings) -> String {
    let computed = computed(args, settings);
    let serve = ServeArgs::augment_args(clap::Command::new("serve"));
    let mut text = String::new();
    let mut heading = None;
    let named = settings.server.authenticator.named_keys();
    for arg in serve.get_arguments() {
        let Some(name) = arg.get_env().and_then(|name| name.to_str()) else {
            continue;
        };
        if heading != arg.get_help_heading() {
            heading = arg.get_help_heading();
            let _ = write!(text, "\n# {}\n", heading.unwrap_or("General"));
        }
        let value = computed.get(name).cloned().or_else(|| value(arg, given));
        let _ = match value {
            Some(value) if arg.is_hide_env_values_set() => {
                let many = value.split(',').filter(|part| !part.is_empty()).count();
                match arg.get_value_delimiter() {
                    _ if many == 0 => writeln!(text, "# {name}: a development value"),
                    Some(_) => writeln!(text, "# {name}: {many} set"),
                    None => writeln!(text, "# {name}: set"),
                }
            }
            None if DEVELOPMENT_VALUES.contains(&name) => {
                writeln!(text, "# {name}: a development value")
            }
            Some(value) => writeln!(text, "{name}={value}"),
            None => writeln!(text, "# {name}: not set"),
        };
        let source = match args.access.named_keys {
            Some(_) => "MESH_NAMED_KEYS",
            None => "MESH_KEYS_FILE",
        };
        if name == source {
            for key in &named {
                let _ = writeln!(text, "# of {name}: {key}");
            }
        }
    }
    text
}

/// Settings whose value depends on the environment (stg, prod) or on the machine.
fn computed(args: &ServeArgs, settings: &StageSettings) -> HashMap<&'static str, String> {
    let times = settings.rules.timings();
    let seconds = [
        ("MESH_HOST_HEARTBEAT_INTERVAL_SECONDS", times.host_interval),
        ("MESH_HOST_HEARTBEAT_TTL_SECONDS", times.host_ttl),
        (
            "MESH_MEMBER_HEARTBEAT_INTERVAL_SECONDS",
            times.member_interval,
        ),
        ("MESH_MEMBER_HEARTBEAT_TTL_SECONDS", times.member_ttl),
        (
            "MESH_DEFAULT_CONNECTION_TIME_SECONDS",
            times.default_connection,
        ),
        ("MESH_MAX_CONNECTION_TIME_SECONDS", times.max_connection),
        ("MESH_EVENT_TTL_SECONDS", times.event_ttl),
        ("MESH_POLLING_INTERVAL_SECONDS", times.polling_interval),
    ];
    let mut computed: HashMap<_, _> = [
        ("STAGE", settings.stage.name().to_owned()),
        ("MESH_LISTEN", args.listen.to_string()),
        ("MESH_MAX_MEMORY", settings.memory.limit().to_string()),
    ]
    .into();
    let access = &args.access;
    computed.extend(
        [
            ("MESH_GRAPHIQL", args.for_developers(access.graphiql)),
            (
                "MESH_INTROSPECTION",
                args.for_developers(access.introspection),
            ),
        ]
        .map(|(name, is_on)| (name, is_on.to_string())),
    );
    computed.extend(seconds.map(|(name, seconds)| (name, seconds.to_string())));
    let public = args.public_address();
    computed.extend(public.map(|address| ("MESH_PUBLIC_LISTEN", address.to_string())));
    #[cfg(feature = "dynamodb")]
    computed.insert("TABLE_NAME", args.dynamodb.settings(args.stage).table);
    computed
}

fn value(arg: &Arg, given: &ArgMatches) -> Option<String> {
    let values = given.get_raw(arg.get_id().as_str())?;
    let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
    Some(values.join(","))
}

/// Warnings about environment variables that look like settings and are none, such as a
/// misspelt one, which has no effect.
pub fn unknown(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let known = known();
    let mut unknown: Vec<_> = names
        .into_iter()
        .filter(|name| name.starts_with("MESH_") && !known.contains(name))
        .collect();
    unknown.sort();
    unknown.iter().map(|name| warning(name, &known)).collect()
}

fn warning(name: &str, known: &BTreeSet<String>) -> String {
    let nearest = known
        .iter()
        .map(|other| (alikeness(name, other), other))
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    match nearest {
        Some((alike, other)) if alike >= ALIKE => {
            format!("{name} is not a setting and is ignored; is {other} meant?")
        }
        _ => format!("{name} is not a setting and is ignored; see mesh-v2 serve --help"),
    }
}

/// How alike two variables are after the prefix that all have, from 0 to 1.
fn alikeness(one: &str, other: &str) -> f64 {
    let without_prefix = |name| str::strip_prefix(name, "MESH_").unwrap_or(name);
    strsim::jaro_winkler(without_prefix(one), without_prefix(other))
}

/// The variables of all commands.
fn known() -> BTreeSet<String> {
    let cli = Cli::command();
    let mut commands = vec![&cli];
    let mut known: BTreeSet<_> = OF_THE_STACK.map(str::to_owned).into();
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands());
        let names = command.get_arguments().filter_map(Arg::get_env);
        known.extend(names.map(|name| name.to_string_lossy().into_owned()));
    }
    known
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::*;

    fn listed(flags: &[&str]) -> String {
        let given = Cli::command().get_matches_from(std::iter::once(&"mesh-v2").chain(flags));
        let args = Cli::from_arg_matches(&given).unwrap().serve;
        listing(&args, &given, &StageSettings::new(&args).unwrap())
    }

    /// The variables of a listing, set or not.
    fn names(text: &str) -> BTreeSet<&str> {
        let lines = text.lines().map(|line| line.trim_start_matches("# "));
        let names = lines.filter_map(|line| line.split(['=', ':']).next());
        names
            .filter(|name| name.contains('_') || *name == "STAGE")
            .collect()
    }

    #[test]
    fn a_listing_has_each_setting_of_the_help_once() {
        let serve = ServeArgs::augment_args(clap::Command::new("serve"));
        let in_help = serve.get_arguments().filter_map(Arg::get_env);
        let in_help: BTreeSet<_> = in_help.map(|name| name.to_str().unwrap()).collect();
        let text = listed(&[]);
        assert_eq!(names(&text), in_help, "{text}");
    }

    #[test]
    fn a_listing_shows_effective_values_and_no_secret() {
        let text = listed(&[
            "--api-keys=da2-of-our-own-school,da2-another-of-ours",
            "--secret-key=0123456789abcdef0123",
            "--listen=:4000",
            "--max-memory=64M",
        ]);
        for line in [
            "STAGE=stg",
            "MESH_LISTEN=0.0.0.0:4000",
            "MESH_MAX_MEMORY=67108864",
            "MESH_HOST_HEARTBEAT_TTL_SECONDS=60",
            "# MESH_API_KEYS: 2 set",
            "# MESH_SECRET_KEY: set",
            "# MESH_TLS_LISTEN: not set",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
        }
        assert!(
            !text.contains("ours") && !text.contains("0123456789abcdef"),
            "{text}"
        );
    }

    #[test]
    fn a_misspelt_setting_is_named_with_the_one_that_is_meant() {
        let names = [
            "MESH_MAX_GROPS",
            "MESH_LISTEN",
            "PATH",
            "MESH_X",
            "MESH_SECRET_NAME",
        ];
        let warnings = unknown(names.map(str::to_owned));
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(
            warnings[0].contains("is MESH_MAX_GROUPS meant?"),
            "{warnings:?}"
        );
        assert!(warnings[1].contains("--help"), "{warnings:?}");
    }
}
