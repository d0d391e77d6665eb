//! Changes to who may call, for the next start of a world's gateway.

use std::fs;

use super::World;

impl World {
    /// Adds `lines` to what is registered of an organisation.
    ///
    /// # Panics
    ///
    /// When it is not registered.
    pub fn register(&mut self, organization: &str, lines: &str) {
        self.rewrite(organization, |entry| {
            format!("{}\n{lines}\n\n", entry.trim_end())
        });
    }

    /// Registers a way to call for an organisation beside its own: its name, its profiles and its
    /// certificates, with `lines` in place of its key.
    ///
    /// # Panics
    ///
    /// When it is not registered.
    pub fn register_beside(&mut self, organization: &str, lines: &str) {
        self.rewrite(organization, |entry| {
            let kept = entry.lines().take(3).collect::<Vec<_>>().join("\n");
            format!("{entry}[[caller]]\n{kept}\n{lines}\n\n")
        });
    }

    /// Registers an organisation as `change` of what is registered of it.
    ///
    /// # Panics
    ///
    /// When it is not registered.
    pub fn rewrite(&mut self, organization: &str, change: impl Fn(&str) -> String) {
        let name = format!("organization = \"{organization}\"\n");
        let text = fs::read_to_string(self.callers_file()).expect("it was minted");
        assert!(text.contains(&name), "{organization} is registered");
        let entries = text.split("[[caller]]\n").skip(1);
        let entries = entries.map(|entry| {
            let entry = if entry.starts_with(&name) {
                change(entry)
            } else {
                entry.to_owned()
            };
            format!("[[caller]]\n{entry}")
        });
        // Beside the keys that it names; the minted one is every world's.
        let file = self
            .certs_dir()
            .join(format!("callers-{}.toml", uuid::Uuid::now_v7()));
        fs::write(&file, entries.collect::<String>()).expect("it can be written");
        self.reconfigure("callers.file", serde_json::json!(file));
    }
}
