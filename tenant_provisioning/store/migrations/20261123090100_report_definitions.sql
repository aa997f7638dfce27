-- A third way from a template to a report: its definition, kept in a folder or by a report of the template workspace.
alter table public.report_templates
  add column definition_path text,
  drop constraint report_templates_has_its_source,
  add constraint report_templates_has_its_source check (
    (strategy = 'clone' and source_report_id is not null)
    or (strategy = 'import' and pbix_path is not null)
    or (strategy = 'definition' and num_nonnulls(source_report_id, definition_path) = 1)
  );
