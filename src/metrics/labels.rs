//! The values of labels: enums, so that no family grows with its clients, and no name, key, domain
//! or address is shown.

/// The values of one label.
pub trait Label: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// All values, by their number.
    const ALL: &'static [Self];

    /// The value as it is shown.
    fn text(self) -> &'static str;

    /// Its place in [`Label::ALL`].
    fn number(self) -> usize;
}

macro_rules! labels {
    ($(#[$doc:meta])* $type:ident, $name:literal { $($(#[$of_value:meta])* $value:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $type { $($(#[$of_value])* $value,)* }

        impl Label for $type {
            const NAME: &'static str = $name;
            const ALL: &'static [Self] = &[$(Self::$value,)*];

            fn text(self) -> &'static str {
                match self { $(Self::$value => $text,)* }
            }

            fn number(self) -> usize {
                self as usize
            }
        }
    };
}

labels! {
    /// What refused a request.
    Refusal, "limit" {
        /// The rate of a node's calls.
        NodeRate = "node_rate",
        /// The rate of a group's calls.
        GroupRate = "group_rate",
        /// The rate of a connection's calls.
        ConnectionRate = "connection_rate",
        /// The rate of an address's calls.
        AddressRate = "address_rate",
    }
}

labels! {
    /// Why a connection was closed at once.
    ConnectionRefusal, "reason" {
        /// Its address has its share.
        AddressShare = "address_share",
        /// The rest of all connections is for addresses with few.
        Total = "total",
    }
}

labels! {
    /// The protocol of a WebSocket or an event stream.
    SocketProtocol, "protocol" {
        /// graphql-ws: AppSync's clients and older ones.
        GraphqlWs = "graphql-ws",
        /// graphql-transport-ws.
        GraphqlTransportWs = "graphql-transport-ws",
        /// GraphQL over server-sent events.
        Sse = "sse",
        /// The cloud variables of Scratch and TurboWarp.
        Cloud = "cloud",
    }
}

labels! {
    /// What carries messages to a client.
    Transport, "transport" {
        /// GraphQL over a WebSocket.
        WebSocket = "websocket",
        /// GraphQL over server-sent events.
        EventStream = "sse",
        /// Cloud variables over a WebSocket.
        Cloud = "cloud",
    }
}

labels! {
    /// The kind of a published message.
    MessageKind, "kind" {
        /// Variables of a node.
        Status = "status",
        /// Events of a call.
        Events = "events",
        /// The end of a group.
        Dissolved = "dissolved",
    }
}

labels! {
    /// What a client got that asked for the messages that it missed.
    Resumption, "outcome" {
        /// It named no position: it is new.
        Began = "began",
        /// All that it missed.
        Recovered = "recovered",
        /// Not all of that is kept any more.
        Lost = "lost",
    }
}

labels! {
    /// The type of an error that answers an operation (docs/api.md, Errors).
    ErrorType, "type" {
        /// An argument or a document is invalid.
        Validation = "ValidationError",
        /// There is no such group, or it ended.
        GroupNotFound = "GroupNotFound",
        /// There is no such node.
        NodeNotFound = "NodeNotFound",
        /// The caller may not do that.
        Unauthorized = "Unauthorized",
        /// Calls come too fast.
        RateLimited = "RateLimited",
        /// A limit of the content, or of memory.
        LimitExceeded = "LimitExceeded",
        /// The group takes no members now.
        Locked = "Locked",
        /// The group takes no data now.
        Paused = "Paused",
        /// The store failed, or a resolver did.
        InternalFailure = "InternalFailure",
        /// Any other.
        Other = "other",
    }
}

impl ErrorType {
    /// The type with this name.
    pub fn of(name: &str) -> Self {
        let named = Self::ALL.iter().find(|it| it.text() == name);
        named.copied().unwrap_or(Self::Other)
    }
}

labels! {
    /// A call of the store, by the name of its method.
    StoreCall, "call" {
        /// The group of a host.
        HostGroup = "host_group",
        /// The same, if it exists.
        GroupOfHost = "group_of_host",
        /// The groups of a domain.
        GroupsIn = "groups_in",
        /// The groups of a prefix.
        GroupsNamed = "groups_named",
        /// The group of a join code.
        GroupByCode = "group_by_code",
        /// The join code of a group.
        CodeOf = "code_of",
        /// A node joins.
        Join = "join",
        /// A node leaves.
        Leave = "leave",
        /// A group's end by its host.
        Dissolve = "dissolve",
        /// The host's heartbeat.
        Renew = "renew",
        /// A control of the lesson.
        Control = "control",
        /// A member's heartbeat.
        Heartbeat = "heartbeat",
        /// A report.
        Report = "report",
        /// The variables of a group.
        Statuses = "statuses",
        /// The variables of a node.
        StatusOf = "status_of",
        /// The members of a group.
        Members = "members",
        /// Fired or recorded events.
        Append = "append",
        /// A poll.
        EventsSince = "events_since",
        /// Whether a group is alive.
        GroupLives = "group_lives",
        /// The reaper's turn.
        Reap = "reap",
    }
}
