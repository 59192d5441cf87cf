//! The capabilities of a program: their text, as `setcap` takes it, and the bytes of `security.capability`.
//!
//! The text is that of `cap_from_text(3)`: clauses such as `cap_net_bind_service=ep` or `cap_chown,cap_fowner+p`, separated
//! by blanks. The bytes are `struct vfs_cap_data`, revision 2, of the kernel's `linux/capability.h`. A file has one bit for
//! all effective capabilities, so that a text with some of them effective means nothing for a file.

/// The extended attribute that has them.
pub const ATTRIBUTE: &str = "security.capability";

/// The names by number, without `cap_`.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

const ALL: u64 = (1 << NAMES.len()) - 1;
const REVISION: u32 = 0x0200_0000;
const EFFECTIVE: u32 = 1;

/// The capabilities that a program gives to its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileCapabilities {
    permitted: u64,
    inheritable: u64,
    is_effective: bool,
}

/// Why a text names no capabilities of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// A clause that has another form.
    #[error("`{0}` is not of the form `cap_net_bind_service=ep`")]
    Form(String),
    /// A name that no capability has.
    #[error("there is no capability `{name}`")]
    Unknown {
        /// The name.
        name: String,
        /// A name that is much like it.
        near: Option<String>,
    },
    /// Some, but not all, are effective.
    #[error("a file has all of its capabilities effective, or none")]
    PartlyEffective,
    /// It names none at all.
    #[error("it names no capability")]
    Empty,
}

impl FileCapabilities {
    /// The capabilities that `text` names.
    ///
    /// # Errors
    /// When it is none that `setcap` takes for a file.
    pub fn parse(text: &str) -> Result<Self, CapabilityError> {
        let (mut effective, mut permitted, mut inheritable) = (0_u64, 0_u64, 0_u64);
        for clause in text.split_whitespace() {
            let form = || CapabilityError::Form(clause.to_owned());
            let start = clause.find(['=', '+', '-']).ok_or_else(form)?;
            let (names, mut actions) = clause.split_at(start);
            let named = numbers(names, clause)?;
            let mut is_first = true;
            while let Some(operator) = actions.chars().next() {
                let rest = &actions[1..];
                let end = rest.find(['=', '+', '-']).unwrap_or(rest.len());
                let (flags, next) = rest.split_at(end);
                let is_right = flags.chars().all(|flag| matches!(flag, 'e' | 'i' | 'p'))
                    && (operator != '=' || is_first)
                    && (operator == '=' || !flags.is_empty());
                if !is_right {
                    return Err(form());
                }
                for (flag, set) in [('e', &mut effective), ('p', &mut permitted), ('i', &mut inheritable)] {
                    let is_meant = flags.contains(flag);
                    match operator {
                        '+' if is_meant => *set |= named,
                        '-' if is_meant => *set &= !named,
                        '=' if is_meant => *set |= named,
                        '=' => *set &= !named,
                        _ => {}
                    }
                }
                (actions, is_first) = (next, false);
            }
        }
        if permitted | inheritable | effective == 0 {
            return Err(CapabilityError::Empty);
        }
        if effective != 0 && effective & (permitted | inheritable) != (permitted | inheritable) {
            return Err(CapabilityError::PartlyEffective);
        }
        Ok(Self { permitted, inheritable, is_effective: effective != 0 })
    }

    /// The value of [`ATTRIBUTE`].
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let halves = |set: u64| [set as u32, (set >> 32) as u32];
        let ([permitted, more_permitted], [inheritable, more_inheritable]) =
            (halves(self.permitted), halves(self.inheritable));
        let magic = REVISION | if self.is_effective { EFFECTIVE } else { 0 };
        [magic, permitted, inheritable, more_permitted, more_inheritable]
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect()
    }
}

/// The capabilities with these names; none and `all` mean all.
fn numbers(names: &str, clause: &str) -> Result<u64, CapabilityError> {
    if names.is_empty() {
        // `+ep` alone means nothing to `setcap`.
        let is_all = clause.starts_with('=');
        return if is_all { Ok(ALL) } else { Err(CapabilityError::Form(clause.to_owned())) };
    }
    let mut set = 0;
    for name in names.split(',') {
        let lower = name.to_ascii_lowercase();
        if lower == "all" {
            set |= ALL;
            continue;
        }
        let short = lower.strip_prefix("cap_").unwrap_or_default();
        let Some(number) = NAMES.iter().position(|known| *known == short) else {
            let short = lower.strip_prefix("cap_").unwrap_or(&lower);
            let near = crate::types::error::nearest(short, NAMES).map(|near| format!("cap_{near}"));
            return Err(CapabilityError::Unknown { name: name.to_owned(), near });
        };
        set |= 1 << number;
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        FileCapabilities::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_bytes()
    }

    /// The bytes that `setcap` of libcap 2.66 writes. An integration test compares others with the `setcap` of the machine.
    #[test]
    fn bytes_are_those_of_setcap() {
        let hex = |text: &str| bytes(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex("cap_net_bind_service=ep"), "0100000200040000000000000000000000000000");
        assert_eq!(hex("cap_net_bind_service+ep"), hex("CAP_NET_BIND_SERVICE=pe"));
        assert_eq!(hex("cap_net_bind_service,cap_net_raw=p"), "0000000200240000000000000000000000000000");
        assert_eq!(hex("cap_chown=i cap_bpf+p"), "0000000200000000010000008000000000000000");
        assert_eq!(hex("cap_chown=ep cap_chown-e"), "0000000201000000000000000000000000000000");
        assert_eq!(hex("all=ep"), "01000002ffffffff00000000ff01000000000000");
        assert_eq!(hex("=ep"), hex("all=ep"));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "cap_chown",
            "cap_chown=x",
            "+ep",
            "cap_chown+",
            "cap_chown=e=p",
            "chown=ep",
            "=",
            "cap_chown=ep cap_bpf=p",
        ] {
            assert!(FileCapabilities::parse(text).is_err(), "{text}");
        }
        let unknown = FileCapabilities::parse("cap_net_bind_servce=ep");
        assert!(
            matches!(unknown, Err(CapabilityError::Unknown { near: Some(near), .. }) if near == "cap_net_bind_service")
        );
    }
}
