//! What is to be run: parameters and pipelines, resolved from the command line, the environment
//! and files, and checked against each other. Nothing is opened or made here.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use settings::{CommandLine, FirstStart, Input, Loaded, Parameters, Pipeline, StdioInput};
use tail::{Excludes, Pattern, RotatedPattern};

use crate::args::{CollectArgs, RunArgs};
use crate::config::container_rules::Rules;
use crate::config::plugins::PLUGINS;
use crate::config::saved_pipelines;
use crate::config::target_ids::TargetIds;
use crate::config::translate::file_input;

/// Parameters and pipelines that fit together.
pub struct Plan {
    /// The parameters.
    pub parameters: Parameters,
    /// The pipelines to run.
    pub pipelines: Vec<Pipeline>,
    /// What those collect that collect files of the host.
    pub targets: Vec<HostTarget>,
    /// Where further targets get their ids.
    pub target_ids: TargetIds,
    /// What those say of containers that collect from them.
    pub rules: Rules,
    /// Files that this process writes, as far as the plan tells.
    pub outputs: Vec<PathBuf>,
    /// Pipelines that are switched off, as (name, file).
    pub disabled: Vec<(String, PathBuf)>,
    /// Whether the command line is all there is (`irontail collect`).
    pub is_ad_hoc: bool,
    /// Where the pipelines are those of the last run, since a source cannot be read: a sentence
    /// that says so.
    pub recalled: Option<String>,
    /// Sentences for the log.
    pub notes: Vec<String>,
}

impl Plan {
    /// Files of the host that are collected.
    pub fn host_files(&self) -> Vec<tail::Target> {
        self.targets.iter().map(|target| target.files.clone()).collect()
    }
}

/// Files of the host that a pipeline collects.
pub struct HostTarget {
    /// The name of the pipeline.
    pub pipeline: String,
    /// The files.
    pub files: tail::Target,
}

/// Looks a variable of the environment up.
pub fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The plan of `irontail check`.
///
/// # Errors
/// Everything that is wrong, a sentence each.
pub fn configured(args: &RunArgs) -> Result<Plan, Vec<String>> {
    let (parameters, loaded) = load(args)?;
    complete(parameters, loaded)
}

/// The plan of `irontail run`: where a source cannot be read now, the pipelines of the last run.
///
/// # Errors
/// Everything that is wrong, a sentence each.
pub fn to_run(args: &RunArgs) -> Result<Plan, Vec<String>> {
    let (parameters, loaded) = load(args)?;
    let path = &parameters.user_config_file_path.value;
    match saved_pipelines::recall(path, &loaded, &working_dir()?) {
        None => complete(parameters, loaded),
        Some((saved, note)) => Ok(Plan { recalled: Some(note), ..complete(parameters, saved)? }),
    }
}

fn load(args: &RunArgs) -> Result<(Parameters, Loaded), Vec<String>> {
    let command_line = CommandLine {
        state_dir: args.state_dir.clone(),
        on_lost_state: args.on_lost_state,
        require_durable_state: args.require_durable_state,
        admin: args.admin.clone(),
        ..CommandLine::default()
    };
    let parameters = parameters(&command_line)?;
    let local = parameters.logtail_sys_conf_dir.value.join("config/local");
    let loaded = settings::load(&args.config, &local, &working_dir()?, PLUGINS);
    Ok((parameters, loaded))
}

fn complete(parameters: Parameters, loaded: Loaded) -> Result<Plan, Vec<String>> {
    let plan = fit(parameters, loaded)?;
    let errors = own_outputs(&plan);
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(plan)
}

/// The plan of `irontail collect`.
///
/// # Errors
/// Everything that is wrong, a sentence each.
pub fn ad_hoc(args: &CollectArgs) -> Result<Plan, Vec<String>> {
    let patterns: Vec<String> = args
        .patterns
        .iter()
        .map(|pattern| pattern.clone().into_string())
        .collect::<Result<_, _>>()
        .map_err(|pattern| vec![format!("the pattern {pattern:?} is not UTF-8; use * or ?")])?;
    let to = args.to.clone().unwrap_or_else(|| "stdout".into());
    let to = to.into_string().map_err(|to| vec![format!("--to {to:?} is not UTF-8")])?;
    let first_start = if args.from_end { FirstStart::Tail(0) } else { FirstStart::Beginning };
    let pipeline = Pipeline::ad_hoc(&patterns, &to, first_start, &working_dir()?, PLUGINS)
        .map_err(|errors| texts(&errors))?;
    let command_line = CommandLine {
        state_dir: args.state_dir.clone(),
        on_lost_state: args.on_lost_state,
        ad_hoc: Some(pipeline.ad_hoc_hash()),
        ..CommandLine::default()
    };
    let parameters = parameters(&command_line)?;
    let loaded = Loaded { pipelines: vec![pipeline], ..Loaded::default() };
    Ok(Plan { is_ad_hoc: true, ..fit(parameters, loaded)? })
}

fn parameters(command_line: &CommandLine) -> Result<Parameters, Vec<String>> {
    Parameters::load(&environment, command_line, &working_dir()?).map_err(|errors| texts(&errors))
}

fn fit(parameters: Parameters, loaded: Loaded) -> Result<Plan, Vec<String>> {
    let mut errors = texts(&loaded.errors);
    let (mut targets, target_ids) = (Vec::new(), TargetIds::default());
    for pipeline in &loaded.pipelines {
        match target(&target_ids, pipeline) {
            Ok(target) => targets.extend(target),
            Err(error) => errors.push(format!("{}: {error}", pipeline.origin.display())),
        }
    }
    errors.extend(loaded.pipelines.iter().filter_map(dropped_in_halves));
    let rules = Rules::new(&loaded.pipelines).unwrap_or_else(|wrong| {
        errors.extend(wrong);
        Rules::default()
    });
    if !errors.is_empty() {
        return Err(errors);
    }
    let outputs = outputs(&loaded.pipelines);
    let mut notes = parameters.notes.clone();
    notes.extend(loaded.notes);
    let Loaded { pipelines, disabled, .. } = loaded;
    Ok(Plan {
        parameters,
        pipelines,
        targets,
        target_ids,
        rules,
        outputs,
        disabled,
        is_ad_hoc: false,
        recalled: None,
        notes,
    })
}

fn target(ids: &TargetIds, pipeline: &Pipeline) -> Result<Option<HostTarget>, tail::Error> {
    let Some(input) = file_input(pipeline) else { return Ok(None) };
    let depth = input.max_dir_search_depth.map_or(-1, i64::from);
    let patterns = input.paths.iter().map(|path| Pattern::parse(path.as_str(), depth));
    let texts = |list: &[settings::ExcludePattern]| -> Vec<String> {
        list.iter().map(|pattern| pattern.as_str().to_owned()).collect()
    };
    let files = tail::Target {
        id: ids.next(),
        patterns: patterns.collect::<Result<_, _>>()?,
        excludes: Excludes::parse(
            &texts(&input.exclude_file_paths),
            &texts(&input.exclude_files),
            &texts(&input.exclude_dirs),
        )?,
        rotated: input
            .rotated_file_paths
            .iter()
            .map(|pattern| RotatedPattern::parse(pattern.as_str()))
            .collect::<Result<_, _>>()?,
        flush_timeout: input.flush_timeout,
    };
    // Those of containers are made for each container.
    let is_of_host = !pipeline.needs_containers();
    Ok(is_of_host.then(|| HostTarget { pipeline: pipeline.name.clone(), files }))
}

/// Lines of two outputs stand between each other: of a record that is joined from them a limit that
/// drops would leave parts.
fn dropped_in_halves(pipeline: &Pipeline) -> Option<String> {
    let Input::ContainerStdio(StdioInput { multiline: Some(_), .. }) = &pipeline.input else {
        return None;
    };
    let limits = process::registry::limits(&pipeline.processors);
    let (at, _) = limits.iter().find(|(_, limit)| limit.mode == process::Mode::Drop)?;
    Some(format!(
        "{}: processors[{at}].Mode: drop does not go with Multiline of container output; use delay, \
         which loses nothing",
        pipeline.origin.display()
    ))
}

fn outputs(pipelines: &[Pipeline]) -> Vec<PathBuf> {
    let flushers = pipelines.iter().flat_map(|pipeline| &pipeline.flushers);
    let files = flushers.filter_map(|config| flusher::target(config).output());
    let files = files.flat_map(|file| [Some(file.to_owned()), without_links(file)]);
    let mut files: Vec<PathBuf> = files.flatten().collect();
    files.dedup();
    files
}

/// Where a path leads whose last part need not be there.
fn without_links(path: &Path) -> Option<PathBuf> {
    let there = path.canonicalize().ok();
    there.or_else(|| Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?)))
}

/// An input that is one of our own outputs would feed itself.
fn own_outputs(plan: &Plan) -> Vec<String> {
    let mut errors = Vec::new();
    for target in &plan.targets {
        let HostTarget { pipeline, files } = target;
        let mut pipelines = plan.pipelines.iter();
        let Some(pipeline) = pipelines.find(|one| one.name == *pipeline) else { continue };
        for output in &plan.outputs {
            let matched = files.patterns.iter().any(|pattern| pattern.matches(output));
            if matched && !files.excludes.matches(output) {
                errors.push(format!(
                    "{}: inputs[0].FilePaths: matches {}, which a flusher_file writes; name \
                     another FilePath, or exclude it with ExcludeFilePaths",
                    pipeline.origin.display(),
                    output.display()
                ));
            }
        }
    }
    errors
}

fn working_dir() -> Result<PathBuf, Vec<String>> {
    std::env::current_dir()
        .map_err(|error| vec![format!("the working directory cannot be found: {error}")])
}

fn texts(errors: &[settings::Error]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}
