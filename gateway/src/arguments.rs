//! What the command `argine` is given.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use gateway::operator::Request;

/// Regional gateway to the national health systems.
#[derive(Parser)]
#[command(name = "argine", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve until told to stop.
    Serve {
        /// The configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Check the configuration, and print every setting and policy value in force with where it comes
    /// from; or, if other policies are named, what they would change.
    #[command(args_conflicts_with_subcommands = true)]
    Check {
        /// The configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
        /// A directory of policy files to hold against those in force.
        #[arg(long, value_name = "DIRECTORY")]
        policies: Option<PathBuf>,
        /// A toggle to hold against what is in force. May be given more than once.
        #[arg(long, value_name = "TARGET=VALUE")]
        toggle: Vec<String>,
        #[command(subcommand)]
        of: Option<CheckOf>,
    },
    /// See, set and withdraw toggles of a running gateway.
    Toggle {
        /// The operator's file: which gateway, and who asks.
        #[arg(long, global = true, value_name = "FILE")]
        operator: Option<PathBuf>,
        #[command(subcommand)]
        request: Toggle,
    },
    /// Copy the store, while the gateway runs or while it does not: everything that is owed to anybody,
    /// sealed as it is. The key is not in it.
    Backup {
        /// The configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
        /// A directory that is empty or not there yet, on another disk than the store.
        #[arg(long, value_name = "DIRECTORY")]
        to: PathBuf,
    },
    /// Put a backup in the place of a store that is gone. Writes over nothing; says what the next start
    /// will make of it.
    Restore {
        /// The configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
        /// The directory of the backup.
        #[arg(long, value_name = "DIRECTORY")]
        from: PathBuf,
    },
    /// See and rotate the keys under which a gateway stores, or change its master key.
    Keys {
        /// The operator's file: which gateway, and who asks.
        #[arg(long, global = true, value_name = "FILE")]
        operator: Option<PathBuf>,
        #[command(subcommand)]
        request: Keys,
    },
    /// Ask the audit: whether it is whole, and who looked at a person.
    Audit {
        #[command(subcommand)]
        request: AuditRequest,
    },
    /// Print the description of the API (OpenAPI 3.1).
    Openapi,
    /// Print the table of error codes (Markdown).
    Codes,
    /// Print the table of metrics (Markdown).
    Metrics,
}

#[derive(Subcommand)]
pub(crate) enum Keys {
    /// The keys of a running gateway, and how far a rotation has come.
    Show {
        /// Also count the values under each key: every row is looked at.
        #[arg(long)]
        count: bool,
    },
    /// Seal what is new under a new key, everything else again, and destroy the key before.
    Rotate,
    /// Accept another master key for the store of a gateway that does not run, beside the one in force,
    /// until a gateway is started with it.
    Rewrap {
        /// The configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
        /// The file of the new master key.
        #[arg(long, value_name = "FILE")]
        new_key_file: PathBuf,
    },
}

#[derive(Subcommand)]
pub(crate) enum CheckOf {
    /// Say whether the access rules allow something, and which of them decides.
    Access {
        /// The configuration file, whose policies are asked; without it the compiled-in rules are.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Print all that they allow (Markdown).
        #[arg(long, conflicts_with_all = ["profile", "action", "relation"])]
        table: bool,
        /// Who: practice, pharmacy and so on.
        #[arg(long, required_unless_present = "table")]
        profile: Option<String>,
        /// What for: search-person, read-prescription and so on.
        #[arg(long, required_unless_present = "table")]
        action: Option<String>,
        /// What they are to it. Every relation, if it is left out.
        #[arg(long)]
        relation: Option<String>,
    },
}

#[derive(Subcommand)]
pub(crate) enum AuditRequest {
    /// Follow the whole chain, also beside a running gateway. Ends with 1, and names every bad place, if there
    /// is one.
    Verify {
        /// The configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
        /// A head that the chain must have: sequence and mac of a line of the log (argine::audit_anchor) that
        /// was kept elsewhere. Nothing else shows that segments, database and keys were all put back.
        #[arg(long, value_name = "SEQUENCE:MAC")]
        anchor: Option<store::audit::Known>,
    },
    /// Print who looked at a person, whose code is read from standard input: it belongs in no list of
    /// processes and in no shell's history. That it was asked for is recorded.
    Export {
        /// The configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Why. Recorded.
        #[arg(long)]
        reason: String,
        /// Who asks. The user of this system, if it is left out. Recorded.
        #[arg(long)]
        author: Option<String>,
        /// The first day, as 2026-09-21, or an instant.
        #[arg(long)]
        from: Option<String>,
        /// The last day, or the instant before which the list ends.
        #[arg(long)]
        to: Option<String>,
        /// The language of the list: it or en.
        #[arg(long, default_value = "it")]
        language: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum Toggle {
    /// The toggles in force.
    List,
    /// Put a value in force for a while.
    Set {
        /// The value of the policy, as sac.prescriptions.mode.
        target: String,
        /// What it is to be, as forced-open, 2s or 50.
        value: String,
        /// Why. Read by whoever has the next shift.
        #[arg(long)]
        reason: String,
        /// For how long, as 2h.
        #[arg(long = "for", value_name = "TIME")]
        lasts: String,
        /// Who. The user of this system, if it is left out.
        #[arg(long)]
        author: Option<String>,
        /// Change nothing, and say what would.
        #[arg(long)]
        dry_run: bool,
    },
    /// Take a toggle back.
    Withdraw {
        /// The value of the policy.
        target: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// Who. The user of this system, if it is left out.
        #[arg(long)]
        author: Option<String>,
        /// Only say what it would change.
        #[arg(long)]
        dry_run: bool,
    },
}

impl From<Toggle> for Request {
    fn from(toggle: Toggle) -> Request {
        let author = |named: Option<String>| {
            let named = named.or_else(|| std::env::var("USER").ok());
            named.unwrap_or_default()
        };
        match toggle {
            Toggle::List => Request::List,
            Toggle::Set {
                target,
                value,
                reason,
                lasts,
                author: named,
                dry_run,
            } => Request::Set {
                target,
                value,
                reason,
                author: author(named),
                lasts,
                dry_run,
            },
            Toggle::Withdraw {
                target,
                reason,
                author: named,
                dry_run,
            } => Request::Withdraw {
                target,
                reason,
                author: author(named),
                dry_run,
            },
        }
    }
}
