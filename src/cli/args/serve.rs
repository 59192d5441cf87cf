//! `pack serve`.

use clap::Args;

use super::registries::RegistryArgs;

const HELP: &str = "\
Examples:
  pack serve
      On 127.0.0.1:5050
  pack serve 5051
      On another port of 127.0.0.1
  docker pull 127.0.0.1:5050/shop/app:dev
  podman pull --tls-verify=false 127.0.0.1:5050/shop/app:dev
  skopeo copy --src-tls-verify=false docker://127.0.0.1:5050/shop/app:1 oci:out
      Pull an image that `pack build` wrote to the local store
  pack serve 0.0.0.0:5050 --allow-network
      For other machines, too: no login is asked for
Names:
  An image is called by its path: `localhost:5000/shop/app:dev` in the store is
  `127.0.0.1:5050/shop/app:dev`. If several registries have the path, write
  `127.0.0.1:5050/localhost_5000/shop/app:dev`. As a mirror of containerd or
  k3s it answers for each registry by the registry's own names.
SIGTERM and Ctrl-C end it: requests under way get 5 seconds.";

/// Serve the images of the local store as a registry, to pull from
///
/// For Docker, Podman, containerd and k3s on this machine: what `pack build` writes to the local store can be pulled at
/// once, and nothing can be pushed. Serves what names of the store reach, and the documents that refer to it. Layers of a
/// base that the store does not have come from the base's own registry.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = HELP)]
pub struct ServeArgs {
    /// A port, or an address with a port [default: 127.0.0.1:5050]
    #[arg(value_name = "ADDR")]
    pub address: Option<String>,

    /// Take an address that other machines reach
    #[arg(long)]
    pub allow_network: bool,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,
}
