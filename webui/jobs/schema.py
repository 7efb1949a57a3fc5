"""What the job database holds: the queue and its pictures, experiments, kept forms."""

from __future__ import annotations

from pipelines.database import Schema

# One script a version, applied in order and never edited once released.
_STEPS = (
    """
    CREATE TABLE jobs (
        number      INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of the queue
        id          TEXT NOT NULL UNIQUE,
        kind        TEXT NOT NULL,                      -- generate | again
        state       TEXT NOT NULL,                      -- queued | running | done | failed | cancelled
        payload     TEXT NOT NULL,                      -- JSON
        images      INTEGER NOT NULL,
        next_batch  INTEGER NOT NULL DEFAULT 0,         -- where a resumed run goes on
        attempts    INTEGER NOT NULL DEFAULT 0,
        error       TEXT,
        error_field TEXT,
        outcome     TEXT,                               -- JSON: the report of an `again` job
        made_at     REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400.0)
    );
    CREATE INDEX jobs_by_state ON jobs (state, number);
    CREATE TABLE job_images (
        job_id TEXT NOT NULL REFERENCES jobs (id),
        place  INTEGER NOT NULL,                        -- image number in the run; -1: the grid
        saved  TEXT NOT NULL,                           -- JSON of SavedImage
        PRIMARY KEY (job_id, place)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE experiments (
        number  INTEGER PRIMARY KEY AUTOINCREMENT,      -- the order in which they run
        id      TEXT NOT NULL UNIQUE,
        name    TEXT NOT NULL,
        plan    TEXT NOT NULL,                          -- JSON of the experiment
        state   TEXT NOT NULL DEFAULT 'running',        -- running | done | failed | cancelled
        error   TEXT,
        grid    TEXT,                                   -- JSON of SavedImage: the labelled grid
        results TEXT,                                   -- JSON of what was counted
        made_at REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400.0)
    );
    CREATE TABLE experiment_cells (
        experiment_id TEXT NOT NULL REFERENCES experiments (id),
        place         INTEGER NOT NULL,
        job_id        TEXT,                             -- the job that makes or made it
        path          TEXT,                             -- its picture, once it is there
        PRIMARY KEY (experiment_id, place)
    ) WITHOUT ROWID;
    CREATE INDEX experiment_cells_by_job ON experiment_cells (job_id);
    CREATE TABLE made_requests (
        number       INTEGER PRIMARY KEY AUTOINCREMENT,
        request      TEXT NOT NULL,                     -- canonical JSON, one image
        path         TEXT NOT NULL,
        model_sha256 TEXT,
        model_stamp  TEXT NOT NULL,                     -- size and time of the model's files
        UNIQUE (request, path)
    );
    """,
    """
    CREATE TABLE model_uses (
        model TEXT PRIMARY KEY,
        at    REAL NOT NULL                             -- seconds since 1970: when it last made a picture
    ) WITHOUT ROWID;
    CREATE TABLE forms (
        number INTEGER PRIMARY KEY AUTOINCREMENT,       -- the newest of a tab is what its form shows
        tab    TEXT NOT NULL,
        fields TEXT NOT NULL,                           -- JSON: field -> value
        kept   REAL NOT NULL                            -- seconds since 1970
    );
    CREATE INDEX forms_by_tab ON forms (tab, number);
    """,
    "CREATE INDEX jobs_finished ON jobs (number) WHERE state IN ('done', 'failed', 'cancelled');",
    "ALTER TABLE jobs ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0;",  # of the worker, while it ran
)

SCHEMA = Schema(steps=_STEPS)
