//! Every price, in one table. US dollars, on demand, without taxes and free allowances.

use clap::ValueEnum;
use serde::Serialize;

/// When the prices were looked up.
pub const PRICES_OF: &str = "2026-11-22";

/// Whose prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
pub enum Region {
    /// Tokyo
    #[value(name = "ap-northeast-1")]
    #[serde(rename = "ap-northeast-1")]
    Tokyo,
    /// Northern Virginia
    #[value(name = "us-east-1")]
    #[serde(rename = "us-east-1")]
    Virginia,
}

/// What is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// A query or mutation on AppSync, also the function's own.
    AppSyncCall,
    /// A message of up to 5 KB to a subscriber, or a connection.
    AppSyncMessage,
    /// A minute of a connection.
    AppSyncMinute,
    /// A call of the function.
    LambdaCall,
    /// A second of a gigabyte, on ARM.
    LambdaGigabyteSecond,
    /// A call by the schedule.
    ScheduledCall,
    /// A write unit, on demand.
    WriteUnit,
    /// A read unit, on demand.
    ReadUnit,
    /// A gigabyte to the internet.
    Gigabyte,
    /// An hour of a processor of a Fargate task, on ARM.
    FargateProcessorHour,
    /// An hour of a gigabyte of its memory.
    FargateGigabyteHour,
    /// An hour of a load balancer.
    BalancerHour,
    /// A gigabyte through it (a capacity unit's hour).
    BalancerGigabyte,
    /// An hour of a public IPv4 address.
    AddressHour,
    /// A month of a secret.
    SecretMonth,
    /// A month of a metric that an alarm watches.
    AlarmMonth,
    /// A month of a DNS zone.
    ZoneMonth,
    /// A month of a small server with 1 GB, its address and 2 TB of transfer.
    SmallServerMonth,
}

/// A price.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// US dollars for `Row::per` of it.
    pub dollars: f64,
    /// Taken from memory, not from a page of AWS or of one who quotes it: check it first.
    pub is_assumed: bool,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What is paid for.
    pub item: Item,
    /// The same, in words.
    pub what: &'static str,
    /// Of how many.
    pub per: f64,
    /// The same, in words.
    pub unit: &'static str,
    rates: [Rate; 2],
}

const fn known(dollars: f64) -> Rate {
    Rate {
        dollars,
        is_assumed: false,
    }
}

const fn assumed(dollars: f64) -> Rate {
    Rate {
        dollars,
        is_assumed: true,
    }
}

const fn row(
    item: Item,
    what: &'static str,
    per: f64,
    unit: &'static str,
    tokyo: Rate,
    virginia: Rate,
) -> Row {
    Row {
        item,
        what,
        per,
        unit,
        rates: [tokyo, virginia],
    }
}

/// All prices: Tokyo, then Northern Virginia.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row(Item::AppSyncCall, "AppSync: queries and mutations", 1e6, "million", assumed(4.00), assumed(4.00)),
    row(Item::AppSyncMessage, "AppSync: messages to subscribers, 5 KB each", 1e6, "million", known(2.00), known(2.00)),
    row(Item::AppSyncMinute, "AppSync: minutes of connections", 1e6, "million", known(0.08), known(0.08)),
    row(Item::LambdaCall, "Lambda: calls", 1e6, "million", known(0.20), known(0.20)),
    row(Item::LambdaGigabyteSecond, "Lambda on ARM: time", 1.0, "GB-second", known(0.000_013_333_4), known(0.000_013_333_4)),
    row(Item::ScheduledCall, "EventBridge Scheduler: calls", 1e6, "million", assumed(1.25), assumed(1.00)),
    row(Item::WriteUnit, "DynamoDB: write units", 1e6, "million", assumed(0.715), known(0.625)),
    row(Item::ReadUnit, "DynamoDB: read units", 1e6, "million", assumed(0.1425), known(0.125)),
    row(Item::Gigabyte, "transfer to the internet", 1.0, "GB", assumed(0.114), assumed(0.09)),
    row(Item::FargateProcessorHour, "Fargate on ARM: processor", 1.0, "vCPU-hour", assumed(0.040_45), known(0.032_38)),
    row(Item::FargateGigabyteHour, "Fargate on ARM: memory", 1.0, "GB-hour", assumed(0.004_42), known(0.003_56)),
    row(Item::BalancerHour, "load balancer", 1.0, "hour", known(0.0243), known(0.0225)),
    row(Item::BalancerGigabyte, "load balancer: bytes", 1.0, "GB", known(0.008), known(0.008)),
    row(Item::AddressHour, "public IPv4 address", 1.0, "hour", assumed(0.005), assumed(0.005)),
    row(Item::SecretMonth, "Secrets Manager: secret", 1.0, "month", assumed(0.40), assumed(0.40)),
    row(Item::AlarmMonth, "CloudWatch: metric of an alarm", 1.0, "month", assumed(0.10), assumed(0.10)),
    row(Item::ZoneMonth, "Route 53: zone", 1.0, "month", assumed(0.50), assumed(0.50)),
    row(Item::SmallServerMonth, "small server: 1 GB, its address, 2 TB of transfer", 1.0, "month", assumed(7.00), assumed(7.00)),
];

impl Row {
    /// The price in a region.
    pub fn rate(&self, region: Region) -> Rate {
        self.rates[region as usize]
    }
}

impl Region {
    /// US dollars of one of it.
    pub fn price(self, item: Item) -> f64 {
        let row = ROWS
            .iter()
            .find(|row| row.item == item)
            .expect("each item has a row");
        row.rate(self).dollars / row.per
    }

    /// Its name, as AWS writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tokyo => "ap-northeast-1",
            Self::Virginia => "us-east-1",
        }
    }

    /// Where it is.
    pub fn place(self) -> &'static str {
        match self {
            Self::Tokyo => "Tokyo",
            Self::Virginia => "Northern Virginia",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_has_one_row_and_a_price_everywhere() {
        for row in ROWS {
            assert_eq!(
                ROWS.iter().filter(|other| other.item == row.item).count(),
                1,
                "{}",
                row.what
            );
            for region in [Region::Tokyo, Region::Virginia] {
                assert!(row.rate(region).dollars > 0.0, "{}", row.what);
            }
        }
        assert!((Region::Tokyo.price(Item::AppSyncMessage) - 2e-6).abs() < 1e-12);
    }
}
