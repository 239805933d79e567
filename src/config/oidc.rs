//! The settings of bearer tokens (OpenID Connect).

use clap::Args;
use jsonwebtoken::Algorithm;

use crate::auth::Role;
use crate::auth::tokens::{ClaimRole, TokenRules, algorithm};
use crate::config::BoundArgs;
use crate::server::issuer::{IssuerSettings, secure_url};

/// Whose tokens are accepted.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tokens of a sign-in service (OpenID Connect)")]
#[expect(
    clippy::struct_field_names,
    reason = "the names are those of the flags"
)]
pub struct OidcArgs {
    /// The service whose bearer tokens are accepted beside API keys, exactly as its tokens name
    /// it, such as <https://cognito-idp.ap-northeast-1.amazonaws.com/ap-northeast-1_AbCdEfGhI>
    #[arg(
        long,
        env = "MESH_OIDC_ISSUER",
        value_name = "URL",
        requires = "oidc_audience"
    )]
    pub oidc_issuer: Option<String>,

    /// For whom its tokens are made, separated by commas: their `aud`, or the `client_id` of tokens
    /// without one, as Cognito's access tokens are
    #[arg(
        long,
        env = "MESH_OIDC_AUDIENCE",
        value_delimiter = ',',
        value_name = "IDS"
    )]
    pub oidc_audience: Vec<String>,

    /// Where its signing keys are [default: as its description at .well-known says]
    #[arg(long, env = "MESH_OIDC_JWKS_URL", value_name = "URL")]
    pub oidc_jwks_url: Option<String>,

    /// How its tokens may be signed; with a shared secret is not among the choices
    #[arg(
        long,
        env = "MESH_OIDC_ALGORITHMS",
        value_delimiter = ',',
        default_value = "RS256,ES256,EdDSA",
        value_parser = algorithm,
        value_name = "NAMES",
        hide_short_help = true
    )]
    pub oidc_algorithms: Vec<Algorithm>,

    /// Claims that make a teacher, such as cognito:groups=teachers, separated by commas
    #[arg(
        long,
        env = "MESH_OIDC_TEACHERS",
        value_delimiter = ',',
        value_name = "CLAIM=VALUE"
    )]
    pub oidc_teachers: Vec<ClaimRole>,

    /// Claims that make an operator
    #[arg(
        long,
        env = "MESH_OIDC_OPERATORS",
        value_delimiter = ',',
        value_name = "CLAIM=VALUE"
    )]
    pub oidc_operators: Vec<ClaimRole>,

    /// Seconds by which its clock may differ from this machine's
    #[arg(
        long,
        env = "MESH_OIDC_LEEWAY_SECONDS",
        default_value = "60",
        value_name = "S",
        hide_short_help = true,
        value_parser = clap::value_parser!(u32).range(0..=600)
    )]
    pub oidc_leeway: u32,

    /// Seconds between two fetches of its signing keys
    #[arg(
        long,
        env = "MESH_OIDC_REFRESH_SECONDS",
        default_value = "600",
        value_name = "S",
        hide_short_help = true,
        value_parser = clap::value_parser!(u32).range(10..=86_400)
    )]
    pub oidc_refresh: u32,

    /// The fewest seconds between two fetches, when they fail or tokens name unknown keys
    #[arg(
        long,
        env = "MESH_OIDC_RETRY_SECONDS",
        default_value = "30",
        value_name = "S",
        hide_short_help = true,
        value_parser = clap::value_parser!(u32).range(1..=3600)
    )]
    pub oidc_retry: u32,

    /// Seconds that a fetch may take, and that a call with an unknown key waits for it
    #[arg(
        long,
        env = "MESH_OIDC_TIMEOUT_SECONDS",
        default_value = "5",
        value_name = "S",
        hide_short_help = true,
        value_parser = clap::value_parser!(u32).range(1..=60)
    )]
    pub oidc_timeout: u32,
}

impl OidcArgs {
    /// What is accepted, and where the keys come from; none without an issuer.
    pub fn settings(&self) -> Result<Option<(TokenRules, IssuerSettings)>, String> {
        let Some(issuer) = self.oidc_issuer.clone() else {
            return Ok(None);
        };
        secure_url(&issuer).map_err(|why| format!("MESH_OIDC_ISSUER: {why}"))?;
        let jwks_url = self.oidc_jwks_url.as_deref().map(secure_url).transpose();
        let of_role = |claims: &[ClaimRole], role: Role| {
            let claims = claims.iter().cloned();
            claims.map(move |claim| (claim, role)).collect::<Vec<_>>()
        };
        let rules = TokenRules {
            issuer,
            audiences: self.oidc_audience.clone(),
            algorithms: self.oidc_algorithms.clone(),
            leeway: self.oidc_leeway,
            roles: [
                of_role(&self.oidc_teachers, Role::Teacher),
                of_role(&self.oidc_operators, Role::Operator),
            ]
            .concat(),
        };
        let issuer = IssuerSettings {
            jwks_url: jwks_url.map_err(|why| format!("MESH_OIDC_JWKS_URL: {why}"))?,
            refresh: BoundArgs::seconds(self.oidc_refresh),
            retry: BoundArgs::seconds(self.oidc_retry),
            timeout: BoundArgs::seconds(self.oidc_timeout),
        };
        Ok(Some((rules, issuer)))
    }
}
