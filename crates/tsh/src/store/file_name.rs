//! File names for names that may hold slashes, dots or more characters than a file name can.

use std::fmt::Write as _;

use teleport_types::{KubeClusterName, sni::KubeLabel};

/// Longest encoded name; the extensions and the suffix of a temporary file still fit in 255 bytes.
const LONGEST: usize = 200;

/// Returns the file name of a Kubernetes cluster: the name with everything unusual as `%XX`, or its label when too long.
pub(super) fn of_kube_cluster(name: &KubeClusterName) -> String {
    let text = name.as_str();
    let mut encoded = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || b"_-@:+=,".contains(&byte) || (byte == b'.' && at > 0);
        if plain {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    if encoded.len() > LONGEST { KubeLabel::of(name).as_str().to_owned() } else { encoded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_becomes_one_file_name_of_its_own() {
        for (name, want) in [
            ("prod", "prod"),
            ("arn:aws:eks:eu-west-1:1:cluster/prod", "arn:aws:eks:eu-west-1:1:cluster%2Fprod"),
            ("..", "%2E."),
            ("a%2Fb", "a%252Fb"),
            ("名", "%E5%90%8D"),
        ] {
            assert_eq!(of_kube_cluster(&KubeClusterName::parse(name).expect(name)), want);
        }
        let long = KubeClusterName::parse(&"é".repeat(120)).expect("name");
        assert!(of_kube_cluster(&long).starts_with("k-"));
    }
}
