//! What the sheet says there is to choose from, and who may choose.

use rowkeeper::lookup::{Found, Tab, is_yes, text};
use rowkeeper_gadget::light::Rgb;
use serde_json::{Value, json};

/// The tab of projects.
pub const PROJECTS: &str = "Projects";
/// The tab of people.
pub const PEOPLE: &str = "People";

/// Something to work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// As in the sheet.
    pub name: String,
    /// Of the light while it runs.
    pub colour: Rgb,
}

/// Somebody with a badge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// As in the sheet.
    pub name: String,
    /// What the reader reads.
    pub badge: String,
    /// What a badge alone starts, on a clock without a knob. On one with a knob, what it offers at first.
    pub project: Option<String>,
}

/// The visible projects and people, in the sheet's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// What there is to choose from.
    pub projects: Vec<Project>,
    /// Who may choose; nobody: no badges are asked for.
    pub people: Vec<Person>,
}

impl Roster {
    /// Before the sheet was ever read: the projects of the configuration.
    pub fn first(projects: &[String]) -> Self {
        let project = |name: &String| Project { name: name.clone(), colour: Rgb::BLUE };
        Self { projects: projects.iter().map(project).collect(), people: Vec::new() }
    }

    /// What was read; `None` where the projects are not among it. A name that comes twice counts once.
    pub fn read(found: &[Found]) -> Option<Self> {
        let tab = |title: &str| found.iter().find(|found| found.title == title);
        let mut roster = Self::default();
        for [name, colour, hide] in
            tab(PROJECTS)?.rows([&["name", "project"], &["colour", "color"], &["hide", "hidden"]])
        {
            let name = text(name);
            if !name.is_empty() && !is_yes(hide) && roster.project(&name).is_none() {
                let colour = Rgb::parse(&text(colour)).unwrap_or(Rgb::BLUE);
                roster.projects.push(Project { name, colour });
            }
        }
        let columns = [&["name", "person"][..], &["badge", "card", "number"], &["project"], &["hide", "hidden"]];
        for [name, badge, project, hide] in tab(PEOPLE).into_iter().flat_map(|found| found.rows(columns)) {
            let (name, badge) = (text(name), text(badge));
            if !name.is_empty() && !badge.is_empty() && !is_yes(hide) && roster.person(&badge).is_none() {
                let project = Some(text(project)).filter(|project| !project.is_empty());
                roster.people.push(Person { name, badge, project });
            }
        }
        Some(roster)
    }

    /// The project of that name.
    pub fn project(&self, name: &str) -> Option<&Project> {
        self.projects.iter().find(|project| project.name == name)
    }

    /// Whose badge it is. Sheets makes a number of `0008427311` where nobody told it not to, so zeros in front do not
    /// count.
    pub fn person(&self, badge: &str) -> Option<&Person> {
        let bare = |badge: &str| badge.trim_start_matches('0').to_ascii_lowercase();
        self.people.iter().find(|person| bare(&person.badge) == bare(badge))
    }

    /// The colour of a project; the usual one for a project that has left the sheet.
    pub fn colour(&self, project: &str) -> Rgb {
        self.project(project).map_or(Rgb::BLUE, |project| project.colour)
    }
}

/// The tabs as they are made in a new spreadsheet.
pub fn tabs(projects: &[String]) -> Vec<Tab> {
    const COLOURS: [&str; 6] = ["blue", "green", "orange", "purple", "red", "yellow"];
    let row = |(at, name): (usize, &String)| {
        vec![Value::from(name.as_str()), Value::from(COLOURS[at % COLOURS.len()]), json!(false)]
    };
    let header = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    vec![
        Tab {
            title: PROJECTS.into(),
            header: header(&["Name", "Colour", "Hide"]),
            rows: projects.iter().enumerate().map(row).collect(),
            checkboxes: vec![2],
        },
        Tab {
            title: PEOPLE.into(),
            header: header(&["Name", "Badge", "Project", "Hide"]),
            rows: Vec::new(),
            checkboxes: vec![3],
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(title: &str, rows: Value) -> Found {
        serde_json::from_value(json!({"title": title, "rows": rows})).unwrap()
    }

    #[test]
    fn the_sheet_is_read_as_people_write_it() {
        let projects = found(
            "Projects",
            json!([
                ["Name", "Color", "Hide"],
                ["Website", "#0f0"],
                ["", "red"],
                ["Old", "", true],
                ["Tax", "mauve"],
                ["Website"],
                [2027]
            ]),
        );
        let people = found(
            "People",
            json!([
                ["Badge", "Name", "Project"],
                [8427311, "Anna", "Tax"],
                ["04A2", "Борис"],
                ["", "No badge"],
                [5, ""]
            ]),
        );
        let roster = Roster::read(&[people, projects]).unwrap();
        let names: Vec<_> = roster.projects.iter().map(|project| (project.name.as_str(), project.colour)).collect();
        assert_eq!(names, [("Website", Rgb(0, 255, 0)), ("Tax", Rgb::BLUE), ("2027", Rgb::BLUE)]);
        assert_eq!(roster.person("0008427311").unwrap().project.as_deref(), Some("Tax"));
        assert_eq!(roster.person("04a2").unwrap().name, "Борис");
        assert_eq!(roster.person("4711"), None);
        assert_eq!(Roster::read(&[]), None);
    }
}
