//! The list of actions as a value. Code that depends on the list is given it, so that a test can have a list of its own. The
//! product's is [`crate::actions::CATALOG`].

use std::collections::BTreeSet;
use std::ops::Deref;

use guardrails_model::action::Action;
use guardrails_model::config::file::{self, FileError};
use guardrails_model::config::{ActionSpec, Config};

use schemars::Schema;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::context::Context;
use crate::declared::{About, ActionType, Checked, Counted, Declared};
use crate::grants::Grant;
use crate::iam::own_policy::OwnPolicy;

/// Makes a catalogue of a list of actions, and the type `Any` that reads them from guardrails.yaml. Each is named by its module and
/// its type; the type's name is the action's, in capitals: `StopInstances` is `stop-instances`. `#[cfg(feature = "rds")]` before it
/// leaves it out of a build without the SDK of its service.
#[macro_export]
macro_rules! catalog {
    ($(#[$about:meta])* $name:ident: $($(#[$only:meta])* $module:ident :: $action:ident),+ $(,)?) => {
        $(#[$about])*
        pub static $name: $crate::catalog::Catalog = $crate::catalog::Catalog::of::<Any>(&[
            $($(#[$only])* $crate::catalog::Entry::of::<$module::$action>()),+
        ]);

        /// An action with its parameters, as `guardrails.yaml` has it.
        #[derive(Debug, ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        #[schemars(rename = "Action")]
        pub enum Any {
            $(
                $(#[$only])*
                #[doc = concat!("See `", stringify!($module), "`.")]
                $action($crate::declared::Checked<$module::$action>),
            )+
            #[doc = "Several actions that run side by side: see `stop_all`."]
            StopAll($crate::stop_all::StopAll),
        }

        impl Any {
            /// The action with its parameters; none while it stands for several.
            #[must_use]
            pub fn declared(&self) -> ::std::option::Option<&dyn $crate::declared::Declared> {
                match self {
                    $($(#[$only])* Self::$action(params) => ::std::option::Option::Some(params.get()),)+
                    Self::StopAll(_) => ::std::option::Option::None,
                }
            }
        }

        impl $crate::catalog::Actions for Any {
            const LIMITS: &[&[$crate::catalog::Limit]] =
                &[$($(#[$only])* <$module::$action as $crate::declared::ActionType>::ABOUT.limits),+];

            fn expanded(self) -> ::std::result::Result<::std::vec::Vec<Self>, ::std::string::String> {
                match self {
                    Self::StopAll(all) => $crate::catalog::each(all.actions($name.entries())?),
                    one => ::std::result::Result::Ok(::std::vec![one]),
                }
            }

            fn is_several(&self) -> bool {
                matches!(self, Self::StopAll(_))
            }

            fn desired(&self) -> Vec<($crate::catalog::FacetId, $crate::catalog::Value)> {
                self.declared().map(|one| one.desired()).unwrap_or_default()
            }

            fn selects(&self) -> Option<&$crate::catalog::Tags> {
                self.declared()?.selects()
            }

            fn regions(&self) -> &[$crate::catalog::Place] {
                self.declared().map(|one| one.regions()).unwrap_or_default()
            }

            fn restricts(&self) -> Vec<$crate::catalog::Principal> {
                self.declared().map(|one| one.restricts()).unwrap_or_default()
            }

            fn meanwhile(&self) -> ::std::option::Option<$crate::catalog::Meanwhile> {
                self.declared()?.meanwhile()
            }

            fn is_lossy(&self) -> bool {
                let of_any = match self {
                    $($(#[$only])* Self::$action(_) => <$module::$action as $crate::declared::ActionType>::ABOUT.warning.is_some(),)+
                    Self::StopAll(_) => false,
                };
                of_any || self.declared().is_some_and(|one| one.terminates())
            }
        }
    };
}

#[doc(hidden)]
pub use guardrails_model::{
    config::file::Actions,
    config::{Meanwhile, Tags},
    ids::{FacetId, Place, Value},
    pace::Limit,
    principal::Principal,
};

/// The actions that one line stands for, each as a file has it.
///
/// # Errors
/// When one has parameters that it does not take; in words.
#[doc(hidden)]
pub fn each<A: Actions>(written: Vec<Json>) -> Result<Vec<A>, String> {
    let read = |one: Json| {
        let name = one.as_object().and_then(|one| one.keys().next()).cloned().unwrap_or_default();
        serde_json::from_value(one).map_err(|error| format!("`{name}` of `stop-all`: {error}"))
    };
    written.into_iter().map(read).collect()
}

/// A list of actions, and how a file is read that asks for them.
pub struct Catalog {
    entries: &'static [Entry],
    parse: fn(&str, &str) -> Result<Config, FileError>,
    schema: fn() -> Schema,
}

impl Catalog {
    /// The catalogue of `entries`, which `A` reads from a file. [`crate::catalog!`] makes both.
    #[must_use]
    pub const fn of<A: Actions>(entries: &'static [Entry]) -> Self {
        Self { entries, parse: file::parse::<A>, schema: file::schema::<A> }
    }

    /// Every action.
    #[must_use]
    pub fn entries(&self) -> &'static [Entry] {
        self.entries
    }

    /// The Lambda functions of the user's that `config` calls by any of its actions.
    ///
    /// # Errors
    /// When the configuration holds parameters that an action does not take.
    pub fn called(&self, config: &Config) -> Result<BTreeSet<String>, CatalogError> {
        let each: Vec<Vec<String>> = self.entries.iter().map(|entry| entry.functions(config)).collect::<Result<_, _>>()?;
        Ok(each.into_iter().flatten().collect())
    }

    /// The action that is called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(&self, name: &str) -> Result<&'static Entry, CatalogError> {
        self.entries.iter().find(|entry| entry.name == name).ok_or_else(|| CatalogError::Unknown(name.to_owned()))
    }

    /// The action that `spec` asks for, with its parameters.
    ///
    /// # Errors
    /// When this version has no such action, or other parameters for it.
    pub fn read(&self, spec: &ActionSpec) -> Result<Box<dyn Declared>, CatalogError> {
        self.find(spec.name.as_str())?.read(&spec.params)
    }

    /// The action that `spec` asks for, ready to work.
    ///
    /// # Errors
    /// When this version has no such action, or other parameters for it.
    pub fn make(&self, spec: &ActionSpec, context: &Context<'_>) -> Result<Box<dyn Action>, CatalogError> {
        Ok(self.read(spec)?.make(context))
    }

    /// Reads and checks the file `name` that holds `text`.
    ///
    /// # Errors
    /// When anything in it is not as expected; the error shows the place and the way to write it.
    pub fn parse(&self, name: &str, text: &str) -> Result<Config, FileError> {
        (self.parse)(name, text)
    }

    /// The JSON Schema of the file, for editors.
    #[must_use]
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }

    /// How people count `facet`, if they do.
    #[must_use]
    pub fn counted(&self, facet: &FacetId) -> Option<&'static Counted> {
        self.entries.iter().flat_map(|entry| entry.about.counts).find(|counted| counted.facet == facet.parts().0)
    }
}

/// An action as the list has it.
pub struct Entry {
    /// The action, with any parameters.
    pub about: About,
    read: fn(&Json) -> Result<Box<dyn Declared>, serde_json::Error>,
}

impl Deref for Entry {
    type Target = About;

    fn deref(&self) -> &About {
        &self.about
    }
}

impl Entry {
    /// The entry of one action.
    #[must_use]
    pub const fn of<T: ActionType>() -> Self {
        Self { about: T::ABOUT, read: |params| Ok(Box::new(Checked::<T>::deserialize(params)?.into_inner())) }
    }

    /// The action with these parameters.
    ///
    /// # Errors
    /// When this version has other parameters for it.
    pub fn read(&self, params: &Json) -> Result<Box<dyn Declared>, CatalogError> {
        (self.read)(params).map_err(|source| CatalogError::Params { action: self.name.to_owned(), source })
    }

    /// The action with these parameters, ready to work.
    ///
    /// # Errors
    /// When this version has other parameters for it.
    pub fn make(&self, params: &Json, context: &Context<'_>) -> Result<Box<dyn Action>, CatalogError> {
        Ok(self.read(params)?.make(context))
    }

    /// The rights of its function for everything that `config` asks of it; none when that is nothing.
    ///
    /// # Errors
    /// When the configuration holds parameters that the action does not take.
    pub fn grants(&self, config: &Config) -> Result<Vec<Grant>, CatalogError> {
        let all = self.asked(config)?;
        let all: Vec<&dyn Declared> = all.iter().map(AsRef::as_ref).collect();
        Ok(all.first().map(|first| first.grants(&all)).unwrap_or_default())
    }

    /// The policies that the stack must have for everything that `config` asks of it.
    ///
    /// # Errors
    /// When the configuration holds parameters that the action does not take.
    pub fn own_policies(&self, config: &Config) -> Result<Vec<OwnPolicy>, CatalogError> {
        Ok(self.asked(config)?.iter().flat_map(|one| one.own_policies()).collect())
    }

    /// The Lambda functions of the user's that it calls for everything that `config` asks of it.
    ///
    /// # Errors
    /// When the configuration holds parameters that the action does not take.
    pub fn functions(&self, config: &Config) -> Result<Vec<String>, CatalogError> {
        Ok(self.asked(config)?.iter().flat_map(|one| one.functions()).collect())
    }

    /// Does `config` ask for it anywhere?
    #[must_use]
    pub fn is_used(&self, config: &Config) -> bool {
        self.specs(config).next().is_some()
    }

    /// The action with the parameters of each stage that asks for it.
    fn asked(&self, config: &Config) -> Result<Vec<Box<dyn Declared>>, CatalogError> {
        self.specs(config).map(|spec| self.read(&spec.params)).collect()
    }

    fn specs<'a>(&self, config: &'a Config) -> impl Iterator<Item = &'a ActionSpec> {
        let name = self.name;
        let waves = config.guardrails.values().flat_map(|guardrail| &guardrail.stages).flat_map(|stage| &stage.waves);
        waves.flatten().filter(move |spec| spec.name.as_str() == name)
    }
}

/// A stored action cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Nothing goes by that name.
    #[error("there is no action `{0}` in this version: it was written by another; use that one, or one that knows it")]
    Unknown(String),
    /// Its parameters are not of this version.
    #[error("the parameters of `{action}` are not those of this version")]
    Params {
        /// The action's name.
        action: String,
        /// The parameter that is wrong, and how.
        #[source]
        source: serde_json::Error,
    },
}
