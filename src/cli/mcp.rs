//! `asktwice mcp`: the tools of the sidecar over standard input and output, for a client that starts this process. Nothing
//! but the protocol goes to standard output; the log goes to standard error.

use std::process::ExitCode;

use clap::Args;
use rmcp::transport::stdio;

use super::{
    Global,
    serve::{Asked, Parts, Signals},
    telemetry,
};
use crate::{config::Settings, server::serve_mcp};

#[derive(Debug, Args)]
pub(super) struct Mcp {
    /// Whose calls they are: a tenant of the settings, with its collections, its filter and its limits. Without it they
    /// are the owner's, who may do everything.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
}

impl Mcp {
    pub(super) async fn run(self, global: &Global, settings: &Settings) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::new()?;
        let effective = global.effective(&[])?;
        // Nobody can ask this process for its metrics.
        let parts = Parts::open(settings, effective.clone(), None)?;
        let sidecar = parts.sidecar(settings, &effective)?;
        let (input, output) = stdio();
        let asked_to_end = async { while signals.next().await != Asked::End {} };
        tokio::select! {
            served = serve_mcp(sidecar, self.tenant.as_deref(), input, output) => served?,
            () = asked_to_end => {}
        }
        tracing::info!("ended");
        telemetry::flush();
        Ok(ExitCode::SUCCESS)
    }
}
