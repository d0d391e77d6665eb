//! The query of a request: known parameters, each once, each in its form.

use actix_web::HttpRequest;
use actix_web::web::Query;
use engine::entry::EntryId;
use policies::state::State;
use uuid::Uuid;

use super::codes;
use super::respond::{FieldError, Problem};

/// The parameters of one request, and what is wrong with them.
pub(crate) struct Parameters {
    values: Vec<(&'static str, String)>,
    errors: Vec<FieldError>,
}

impl Parameters {
    /// Reads the query of `request`; only the parameters in `known` exist.
    pub(crate) fn of(request: &HttpRequest, known: &[&'static str]) -> Parameters {
        let mut parameters = Parameters {
            values: Vec::new(),
            errors: Vec::new(),
        };
        let pairs = Query::<Vec<(String, String)>>::from_query(request.query_string());
        let Ok(pairs) = pairs else {
            parameters.refuse("query", "query", "must be parameters in URL encoding");
            return parameters;
        };
        for (name, value) in pairs.into_inner() {
            let Some(name) = known.iter().copied().find(|known| *known == name) else {
                // The name is a stranger's and is not repeated.
                parameters.refuse("query", "unknown-parameter", "has a parameter unknown here");
                continue;
            };
            if parameters.values.iter().any(|(seen, _)| *seen == name) {
                parameters.refuse(name, "duplicate-parameter", "stands twice");
            }
            parameters.values.push((name, value));
        }
        parameters
    }

    fn refuse(&mut self, name: &'static str, rule: &'static str, detail: &'static str) {
        self.errors
            .push(FieldError::of_parameter(name, rule, detail));
    }

    /// The value of `name` as `parse` reads it.
    pub(crate) fn take<T>(
        &mut self,
        name: &'static str,
        rule: &'static str,
        detail: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let (_, value) = self.values.iter().find(|(known, _)| *known == name)?;
        let parsed = parse(value);
        if parsed.is_none() {
            self.refuse(name, rule, detail);
        }
        parsed
    }

    /// `limit`: one to `most`.
    pub(crate) fn limit(&mut self, default: usize, most: usize) -> usize {
        let limit = self.take(
            "limit",
            "limit",
            "must be a whole number within the limit",
            |text| text.parse().ok().filter(|limit| (1..=most).contains(limit)),
        );
        limit.unwrap_or(default)
    }

    /// `state`: one of the words for where an entry stands.
    pub(crate) fn state(&mut self) -> Option<State> {
        self.take(
            "state",
            "unknown-value",
            "must be a state of an entry",
            State::parse,
        )
    }

    /// A parameter that is `true` or `false`; false if absent.
    pub(crate) fn flag(&mut self, name: &'static str) -> bool {
        let flag = self.take(name, "true-or-false", "must be true or false", |text| {
            text.parse().ok()
        });
        flag.unwrap_or(false)
    }

    /// `cursor`: as the page before gave it.
    pub(crate) fn cursor(&mut self) -> Option<EntryId> {
        self.take(
            "cursor",
            "cursor",
            "must be the next_cursor of the page before",
            parse_cursor,
        )
    }

    /// Refuses the request if anything was wrong.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Problem::with_errors(&codes::QUERY_INVALID, self.errors))
        }
    }
}

/// A cursor is the name of the last entry of its page.
pub(crate) fn parse_cursor(text: &str) -> Option<EntryId> {
    Uuid::try_parse(text).ok().map(EntryId)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn read(query: &str) -> Result<(Option<State>, usize), Vec<&'static str>> {
        let request = TestRequest::with_uri(&format!("/?{query}")).to_http_request();
        let mut parameters = Parameters::of(&request, &["state", "limit"]);
        let read = (parameters.state(), parameters.limit(50, 200));
        match parameters.finish() {
            Ok(()) => Ok(read),
            Err(problem) => Err(problem.errors.iter().map(|error| error.rule).collect()),
        }
    }

    #[test]
    fn known_parameters_are_read_once_and_strictly() {
        assert_eq!(read(""), Ok((None, 50)));
        assert_eq!(
            read("state=parked&limit=200"),
            Ok((Some(State::Parked), 200))
        );
        assert_eq!(read("state=Parked"), Err(vec!["unknown-value"]));
        assert_eq!(read("limit=0"), Err(vec!["limit"]));
        assert_eq!(read("limit=201"), Err(vec!["limit"]));
        assert_eq!(read("limit=1&limit=2"), Err(vec!["duplicate-parameter"]));
        assert_eq!(
            read("tax_code=RSSMRA80A01H501U&limit=x"),
            Err(vec!["unknown-parameter", "limit"])
        );
    }
}
