-- SPDX-License-Identifier: GPL-3.0-or-later
-- One JSON object: each table of this database with its number of rows and a checksum of them that no order changes.
SELECT coalesce(json_object_agg(name, content ORDER BY name), '{}')
FROM (
  SELECT
    format('%s.%s', table_schema, table_name) AS name,
    (xpath('/row/content/text()', query_to_xml(format(
      $$SELECT json_build_object('rows', count(*), 'checksum', md5(coalesce(string_agg(md5(t::text), '' ORDER BY md5(t::text)), ''))) AS content FROM %I.%I AS t$$,
      table_schema, table_name
    ), false, true, '')))[1]::text::json AS content
  FROM information_schema.tables
  WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
) AS tables;
