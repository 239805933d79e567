//! Groups: making, finding, renewing and dissolving them.

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use crate::auth::Role;
use crate::mesh::Mesh;
use crate::model::authority::Actor;
use crate::model::error::ClientError;
use crate::model::group::{self, GroupKey};
use crate::model::ids::{Domain, GroupName};
use crate::model::join_code::JoinCode;
use crate::model::lesson;
use crate::model::message::{Dissolution, Message};
use crate::model::visible::search_form;
use crate::resolvers::access::{Access, NodeCall};
use crate::resolvers::field_value::FieldValue;
use crate::resolvers::message::MeshMessage;
use crate::resolvers::response_writer::RawJson;
use crate::resolvers::scalar::AwsDateTime;
use crate::resolvers::{ContextExt as _, ResolverResult};
use crate::store::{self, CreateGroup};

/// The maximum length of a search prefix in UTF-16 units (docs/api.md).
const MAX_PREFIX_UNITS: usize = 6;
/// The limit of a search that gives none (decision D8).
const DEFAULT_SEARCH_LIMIT: i32 = 10;
/// The maximum limit of a search (decision D8).
const MAX_SEARCH_LIMIT: i32 = 100;

/// A group of nodes. It ends at `expiresAt`, when its host stops renewing it, or when its
/// host dissolves it.
#[derive(SimpleObject)]
pub(super) struct Group {
    /// A random UUID, made by the server.
    id: ID,
    /// The domain in which the group is listed.
    domain: String,
    /// The id and the domain, joined by `@`.
    full_id: String,
    /// The name that the host gave it.
    name: String,
    /// The node that made the group. It alone may renew and dissolve it.
    host_id: ID,
    /// When the group ends at the latest. Renewing does not change it.
    expires_at: AwsDateTime,
    /// How often the host should call renewHeartbeat, in seconds.
    heartbeat_interval_seconds: Option<u32>,
    /// Whether members receive messages over a WebSocket. If false, they poll.
    use_web_socket: bool,
    /// How often members should call pollGroupData, in seconds; null if they use WebSockets.
    polling_interval_seconds: Option<u32>,
    /// Six hex digits by which members find the group. Null in lists and searches.
    join_code: Option<String>,
    /// Whether no new node may join.
    locked: Option<bool>,
    /// Until when only the host reports and sends events; null if the group is not paused.
    paused_until: Option<AwsDateTime>,
    /// Whether pages must not show chat.
    chat_muted: Option<bool>,
}

impl Group {
    /// A group as its creator, or a caller with its join code, is shown it.
    pub(super) fn new(mesh: &Mesh, group: &group::Group) -> Self {
        Self {
            id: group.key.id.as_str().into(),
            domain: group.key.domain.to_string(),
            full_id: group.key.to_string(),
            name: group.name.to_string(),
            host_id: group.host.as_str().into(),
            expires_at: group.expires_at.into(),
            heartbeat_interval_seconds: Some(mesh.rules.timings().host_interval),
            use_web_socket: group.delivery.uses_websocket(),
            polling_interval_seconds: group.delivery.polling_interval(),
            join_code: group.join_code.map(|code| code.to_string()),
            locked: Some(group.lesson.is_locked),
            paused_until: group.lesson.paused_until(mesh.clock.now()).map(Into::into),
            chat_muted: Some(group.lesson.is_chat_muted),
        }
    }
}

/// The answer to a host's heartbeat.
#[derive(SimpleObject)]
struct HeartbeatPayload {
    /// The group's id.
    group_id: ID,
    /// The group's domain.
    domain: String,
    /// When the group ends at the latest, unchanged.
    expires_at: AwsDateTime,
    /// How often to call renewHeartbeat, in seconds.
    heartbeat_interval_seconds: Option<u32>,
}

#[derive(Default, Debug)]
pub struct GroupQuery;

#[Object]
impl GroupQuery {
    /// The groups of a domain, by id.
    async fn list_groups_by_domain(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The domain.")] domain: String,
    ) -> Result<RawJson<Vec<Group>>> {
        let groups = list(ctx.access(), &domain);
        ctx.response_writer().write(ctx, groups).await
    }

    /// The groups of all domains whose name begins with a text, by name.
    async fn search_groups_by_name_prefix(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How the name begins: 1 to 6 characters.")] name_prefix: String,
        #[graphql(desc = "How many groups at most: 1 to 100; 10 if it is not given.")]
        limit: Option<i32>,
    ) -> Result<RawJson<Vec<Group>>> {
        let groups = search(ctx.access(), &name_prefix, limit);
        ctx.response_writer().write(ctx, groups).await
    }

    /// The group with a join code; null if no living group has it.
    async fn group_by_join_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Six digits from 0 to f, or the six hiragana by which they are shown.")]
        code: String,
    ) -> Option<Result<Option<Group>>> {
        Some(find(ctx.access(), &code).await.map_err(Into::into))
    }
}

async fn list(access: Access<'_>, domain: &str) -> ResolverResult<FieldValue> {
    access.anywhere()?;
    let mesh = access.mesh;
    let domain = Domain::parse("domain", domain)?;
    if !access.sees(&domain) {
        return Ok(found(access, Vec::new()));
    }
    let groups = mesh.store.groups_in(&domain, mesh.clock.now()).await?;
    Ok(found(access, groups))
}

/// Groups as the caller is shown them.
fn found(access: Access<'_>, mut groups: Vec<group::Group>) -> FieldValue {
    let now = access.mesh.clock.now();
    for group in &mut groups {
        group.lesson.paused_until = group.lesson.paused_until(now);
        group.host = access.shown_host(&group.key, group.host.clone());
    }
    FieldValue::Groups(groups, access.mesh.rules.timings().host_interval)
}

async fn search(
    access: Access<'_>,
    prefix: &str,
    limit: Option<i32>,
) -> ResolverResult<FieldValue> {
    access.anywhere()?;
    let mesh = access.mesh;
    if !(1..=MAX_PREFIX_UNITS).contains(&prefix.encode_utf16().count()) {
        return Err(ClientError::InvalidPrefix.into());
    }
    let limit = limit.unwrap_or(DEFAULT_SEARCH_LIMIT);
    let limit = usize::try_from(limit)
        .ok()
        .filter(|_| (1..=MAX_SEARCH_LIMIT).contains(&limit));
    let limit = limit.ok_or(ClientError::InvalidSearchLimit)?;
    let now = mesh.clock.now();
    let groups = if access.is_hidden_from() {
        let own = Domain::parse("domain", &access.own_domain())?;
        let mut groups = mesh.store.groups_in(&own, now).await?;
        let prefix = search_form(prefix);
        groups.retain(|group| group.name.search_form().as_str().starts_with(&*prefix));
        groups.sort_by_cached_key(|group| group.name.search_form());
        groups.truncate(limit);
        groups
    } else {
        mesh.store.groups_named(prefix, limit, now).await?
    };
    Ok(found(access, groups))
}

async fn find(access: Access<'_>, code: &str) -> ResolverResult<Option<Group>> {
    access.anywhere()?;
    let mesh = access.mesh;
    let code = JoinCode::parse("code", code)?;
    let found = mesh.store.group_by_code(code, mesh.clock.now()).await?;
    let Some(mut group) = found else {
        mesh.rate_limits.wrong_code(access.caller).await;
        return Ok(None);
    };
    group.host = access.shown_host(&group.key, group.host);
    Ok(Some(Group::new(mesh, &group)))
}

#[derive(Default, Debug)]
pub struct GroupMutation;

#[Object]
impl GroupMutation {
    /// Makes a group. A host that has one in the domain already gets that one again.
    #[expect(
        clippy::too_many_arguments,
        reason = "one for each argument of the schema"
    )]
    async fn create_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's name.")] name: String,
        #[graphql(desc = "The id of the node that will be the host.")] host_id: ID,
        #[graphql(desc = "The domain in which the group is listed.")] domain: String,
        #[graphql(desc = "How long the group may live, in seconds.")]
        max_connection_time_seconds: Option<i32>,
        #[graphql(
            desc = "Whether members receive messages over a WebSocket. If false, they poll."
        )]
        use_web_socket: bool,
        #[graphql(
            desc = "A secret that the host chooses, of 16 to 256 bytes: then the group obeys only with it."
        )]
        host_token: Option<String>,
        #[graphql(
            desc = "True if the group's name is to be its join code, by which editors that know no codes find it."
        )]
        name_is_join_code: Option<bool>,
        #[graphql(
            desc = "How long the group lives without its host's heartbeat, in seconds: 10 to 600. For callers with the role teacher or operator."
        )]
        host_ttl_seconds: Option<i32>,
    ) -> Result<Group> {
        let access = ctx.access();
        let is_teacher = access.caller.role >= Role::Teacher;
        let request = |mesh: &Mesh| -> Result<CreateGroup, ClientError> {
            let name = GroupName::parse("name", &name)?;
            let Actor {
                id: host, token, ..
            } = access.host(&host_id, host_token.as_deref())?;
            let domain = Domain::parse("domain", &domain)?;
            access.admit_domain(&domain)?;
            Ok(CreateGroup {
                name,
                host,
                domain,
                lifetime: if is_teacher {
                    mesh.rules.teachers_lifetime(max_connection_time_seconds)?
                } else {
                    mesh.rules.lifetime(max_connection_time_seconds)?
                },
                host_ttl: lesson::host_ttl(host_ttl_seconds, is_teacher)?,
                delivery: mesh.rules.delivery(use_web_socket),
                origin: access.origin(),
                is_exempt: is_teacher,
                token,
                join_code: JoinCode::random(),
                name_is_join_code: name_is_join_code.unwrap_or_default(),
            })
        };
        Ok(create(access, request(access.mesh)).await?)
    }

    /// Ends a group and removes all that belongs to it. Subscribers receive a
    /// `groupDissolve`.
    async fn dissolve_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
        #[graphql(desc = "The group's host.")] host_id: ID,
        #[graphql(desc = "The token with which the group was made, if there was one.")]
        host_token: Option<String>,
    ) -> Option<Result<RawJson<MeshMessage>>> {
        let dissolution = dissolve(ctx.access(), &group_id, &domain, &host_id, host_token);
        Some(ctx.response_writer().write(ctx, dissolution).await)
    }

    /// Says that the host is still there.
    async fn renew_heartbeat(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
        #[graphql(desc = "The group's host.")] host_id: ID,
        #[graphql(desc = "The token with which the group was made, if there was one.")]
        host_token: Option<String>,
    ) -> Result<HeartbeatPayload> {
        Ok(renew(ctx.access(), &group_id, &domain, &host_id, host_token).await?)
    }
}

async fn create(
    access: Access<'_>,
    request: Result<CreateGroup, ClientError>,
) -> ResolverResult<Group> {
    access.new_group()?;
    let mesh = access.mesh;
    let outcome = mesh.store.host_group(request?, mesh.clock.now()).await?;
    if outcome.created {
        let group = &outcome.group.key.id;
        // The only sign of a network that blocks WebSockets: a host that could not open one.
        if outcome.group.delivery.uses_websocket() {
            tracing::info!(%group, protocol = "WebSocket", "createGroup");
        } else if let Some(omitted) = mesh.polling_lines.hosts.admit() {
            tracing::warn!(%group, protocol = "Polling", omitted, "createGroup fallback to Polling");
        }
    }
    Ok(Group::new(mesh, &outcome.group))
}

async fn dissolve(
    access: Access<'_>,
    group_id: &str,
    domain: &str,
    host_id: &str,
    host_token: Option<String>,
) -> ResolverResult<FieldValue> {
    let group = GroupKey::parse(group_id, domain)?;
    let host = access.host(host_id, host_token.as_deref())?;
    access.node(&group, &host.id, NodeCall::Membership).await?;
    let mesh = access.mesh;
    mesh.start_hold.wait().await;
    let dissolved = mesh.store.dissolve(&group, &host, mesh.clock.now()).await;
    dissolved.map_err(|error| hide_host(access, &group, error))?;
    let end = Dissolution::by_host(group);
    Ok(FieldValue::Message(Message::Dissolved(end)))
}

/// The error of another node's dissolve, which names the host.
fn hide_host(access: Access<'_>, group: &GroupKey, error: store::Error) -> store::Error {
    match error {
        store::Error::Refused(ClientError::OnlyHostCanDissolve { host, requester }) => {
            let host = access.shown_host(group, host);
            ClientError::OnlyHostCanDissolve { host, requester }.into()
        }
        other => other,
    }
}

async fn renew(
    access: Access<'_>,
    group_id: &str,
    domain: &str,
    host_id: &str,
    host_token: Option<String>,
) -> ResolverResult<HeartbeatPayload> {
    let group = GroupKey::parse(group_id, domain)?;
    let host = access.host(host_id, host_token.as_deref())?;
    access.node(&group, &host.id, NodeCall::Membership).await?;
    let mesh = access.mesh;
    let group = mesh.store.renew(&group, &host, mesh.clock.now()).await?;
    Ok(HeartbeatPayload {
        group_id: group.key.id.as_str().into(),
        domain: group.key.domain.to_string(),
        expires_at: group.expires_at.into(),
        heartbeat_interval_seconds: Some(mesh.rules.timings().host_interval),
    })
}
