//! How an image is named: text of the help of every command that takes one.

pub(super) const IMAGE_HELP: &str = "\
IMAGE is one of:
  NAME[:TAG]                  In the local store, else in its registry; the
                              first line of the output says where
  NAME@sha256:…               The same, by digest
  store:NAME[:TAG]            In the local store
  docker://NAME[:TAG]         In the registry
  oci:DIR[:TAG]               In an OCI layout
  oci-archive:FILE[:TAG]      In a tar of an OCI layout
  docker-archive:FILE[:TAG]   In a file of `docker save`";

pub(super) const SBOM_HELP: &str = "\
IMAGE is one of:
  NAME[:TAG]                  In the local store, else in its registry
  NAME@sha256:…               The same, by digest
  store:NAME[:TAG]            In the local store
  docker://NAME[:TAG]         In the registry
  oci:DIR[:TAG]               In an OCI layout
  oci-archive:FILE[:TAG]      In a tar of an OCI layout
  docker-archive:FILE[:TAG]   In a file of `docker save`
Examples:
  pack sbom localhost:5000/shop/app:1.0 -o app.cdx.json
  pack sbom --format spdx oci:image
  pack sbom store:shop/app:1.0 | jq -r '.components[].purl'";

pub(super) const VERIFY_HELP: &str = "\
IMAGE is one of:
  NAME[:TAG]                  In the local store, else in its registry; the
                              end of the output says where. With `--rebuild`
                              in its registry
  NAME@sha256:…               The same, by digest
  store:NAME[:TAG]            In the local store
  docker://NAME[:TAG]         In the registry
  oci:DIR[:TAG]               In an OCI layout
  oci-archive:FILE[:TAG]      In a tar of an OCI layout
  docker-archive:FILE[:TAG]   In a file of `docker save`
Examples:
  pack verify localhost:5000/shop/app:1.0
  pack verify localhost:5000/shop/app:1.0 --key pack.pub
  pack verify localhost:5000/shop/app:1.0 --policy policy.toml
  pack verify localhost:5000/shop/app:1.0 --provenance
      Whether this key has signed it, too
  pack verify --rebuild
      Build ./build.toml again and again, and compare
  pack verify localhost:5000/shop/app:1.0 --rebuild shop -- --locked
      Whether the project `shop` still gives the image that was pushed
Exit codes:
  0    Everything is as it should be; with `--rebuild`, one digest
  1    Something is wrong; with `--rebuild`, a digest differs, or a build
       failed, and then there is an `error:`
  3    A registry or the network failed
  4    A signature is missing, or proves nothing";

pub(super) const INSPECT_HELP: &str = "\
IMAGE is one of:
  NAME:TAG                    In the local store, else in its registry; the
                              first line of the output says where
  NAME@sha256:…               The same, by digest
  NAME                        The tags of the repository, in its registry
  store:NAME[:TAG]            In the local store
  docker://NAME[:TAG]         In the registry
  oci:DIR[:TAG]               In an OCI layout
  oci-archive:FILE[:TAG]      In a tar of an OCI layout
  docker-archive:FILE[:TAG]   In a file of `docker save`";

pub(super) const COPY_HELP: &str = "\
SRC is one of:
  NAME[:TAG], NAME@sha256:…   In its registry; docker://NAME is the same
  store:NAME[:TAG]            In the local store
  oci:DIR[:TAG]               In an OCI layout
  oci-archive:FILE[:TAG]      In a tar of an OCI layout
  docker-archive:FILE[:TAG]   In a file of `docker save`
DST is one of:
  NAME[:TAG], NAME@sha256:…   In a registry; without a tag, that of SRC;
                              docker://NAME is the same
  store:NAME[:TAG]            In the local store
  oci:DIR[:TAG]               In an OCI layout, made if it is missing
  oci-archive:FILE[:TAG]      A new tar, which `docker load` reads, too;
  docker-archive:FILE[:TAG]   the same
Examples:
  pack copy localhost:5000/shop/app:1.0 registry.example.com/shop/app
  pack copy store:shop/app:1.0 registry.example.com/shop/app
      Push what a build without `--push` made
  pack copy --referrers localhost:5000/shop/app:1.0 oci:mirror:1.0
  pack copy --platform linux/arm64 debian:12 docker-archive:debian.tar";

pub(super) const DIFF_HELP: &str = "\
A and B are each one of:
  NAME[:TAG]                  In the local store, else in its registry; the
                              first lines of the output say where
  NAME@sha256:…               The same, by digest
  store:NAME[:TAG]            In the local store
  docker://NAME[:TAG]         In the registry
  oci:DIR[:TAG]               In an OCI layout
  oci-archive:FILE[:TAG]      In a tar of an OCI layout
  docker-archive:FILE[:TAG]   In a file of `docker save`
  ENV@N, @ENV, IMAGE@ENV[@N]  A release of an environment, by its number or the
                              newest one; see `pack releases`
Examples:
  pack diff prod@3 prod@5
  pack diff localhost:5000/shop/app:1.0 localhost:5000/shop/app:1.1
  pack diff --json oci:mine oci:theirs | jq -r .first
Exit codes:
  0    The images are the same
  1    They are not; or one cannot be read, and then there is an `error:`";
