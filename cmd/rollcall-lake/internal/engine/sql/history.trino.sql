-- Made by .ci/lake.d/transpile.py. Change the source beside it.
CREATE TABLE IF NOT EXISTS "__lake_history__" AS
SELECT
  "_id",
  "additional_context",
  "email",
  "first_name",
  "last_name",
  "org_id",
  "preferences",
  "region_name",
  "role",
  "updated_at",
  "user_id",
  "user_models",
  "__at__" AS "_valid_from",
  NULLIF("__at__", "__at__") AS "_valid_to",
  TRUE AS "_is_current",
  "__run__" AS "_run_id"
FROM "__users__"
WHERE
  1 = 0;
MERGE INTO "__lake_history__" AS "t"
USING (
  WITH "newest" AS (
    SELECT
      MAX(CASE WHEN "_valid_to" IS NULL THEN "_valid_from" ELSE "_valid_to" END) AS "at"
    FROM "__lake_history__"
  ), "held" AS (
    SELECT
      "h".*
    FROM "__lake_history__" AS "h"
    WHERE
      "h"."_is_current"
  ), "compared" AS (
    SELECT
      "u"."_id",
      "u"."additional_context",
      "u"."email",
      "u"."first_name",
      "u"."last_name",
      "u"."org_id",
      "u"."preferences",
      "u"."region_name",
      "u"."role",
      "u"."updated_at",
      "u"."user_id",
      "u"."user_models",
      "h"."org_id" AS "h_org_id",
      "h"."user_id" AS "h_user_id",
      "h"."_valid_from" AS "h_valid_from"
    FROM "__users__" AS "u"
    FULL JOIN "held" AS "h"
      ON "h"."org_id" = "u"."org_id" AND "h"."user_id" = "u"."user_id"
    CROSS JOIN "newest" AS "n"
    WHERE
      (
        "n"."at" IS NULL OR "n"."at" <= "__at__"
      )
      AND (
        "h"."_id" IS DISTINCT FROM "u"."_id"
        OR "h"."additional_context" IS DISTINCT FROM "u"."additional_context"
        OR "h"."email" IS DISTINCT FROM "u"."email"
        OR "h"."first_name" IS DISTINCT FROM "u"."first_name"
        OR "h"."last_name" IS DISTINCT FROM "u"."last_name"
        OR "h"."preferences" IS DISTINCT FROM "u"."preferences"
        OR "h"."region_name" IS DISTINCT FROM "u"."region_name"
        OR "h"."role" IS DISTINCT FROM "u"."role"
        OR "h"."updated_at" IS DISTINCT FROM "u"."updated_at"
        OR "h"."user_models" IS DISTINCT FROM "u"."user_models"
        OR "h"."user_id" IS DISTINCT FROM "u"."user_id"
      )
  )
  SELECT
    "_id",
    "additional_context",
    "email",
    "first_name",
    "last_name",
    "org_id",
    "preferences",
    "region_name",
    "role",
    "updated_at",
    "user_id",
    "user_models",
    NULLIF("h_valid_from", "h_valid_from") AS "closes"
  FROM "compared"
  WHERE
    NOT "user_id" IS NULL
  UNION ALL
  SELECT
    "_id",
    "additional_context",
    "email",
    "first_name",
    "last_name",
    "h_org_id",
    "preferences",
    "region_name",
    "role",
    "updated_at",
    "h_user_id",
    "user_models",
    "h_valid_from" AS "closes"
  FROM "compared"
  WHERE
    NOT "h_user_id" IS NULL
) AS "s"
ON "t"."org_id" = "s"."org_id"
AND "t"."user_id" = "s"."user_id"
AND "t"."_valid_from" = "s"."closes"
WHEN MATCHED THEN UPDATE SET
  "_valid_to" = "__at__",
  "_is_current" = FALSE
WHEN NOT MATCHED THEN INSERT (
  "_id",
  "additional_context",
  "email",
  "first_name",
  "last_name",
  "org_id",
  "preferences",
  "region_name",
  "role",
  "updated_at",
  "user_id",
  "user_models",
  "_valid_from",
  "_valid_to",
  "_is_current",
  "_run_id"
) VALUES (
  "s"."_id",
  "s"."additional_context",
  "s"."email",
  "s"."first_name",
  "s"."last_name",
  "s"."org_id",
  "s"."preferences",
  "s"."region_name",
  "s"."role",
  "s"."updated_at",
  "s"."user_id",
  "s"."user_models",
  "__at__",
  NULLIF("__at__", "__at__"),
  TRUE,
  "__run__"
);
