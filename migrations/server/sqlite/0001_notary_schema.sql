-- The tables of Notary 0.7, with the names and meanings its other databases have, so that one set
-- of statements serves them all and data can move between them unchanged.
CREATE TABLE tuf_files (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at DATETIME,
    updated_at DATETIME,
    deleted_at DATETIME,
    gun        VARCHAR(255) NOT NULL,
    role       VARCHAR(255) NOT NULL,
    version    INTEGER NOT NULL,
    sha256     VARCHAR(64),
    data       LONGBLOB NOT NULL
);
-- Decides which of two publishes wins, and finds the newest version of a role by walking backwards.
CREATE UNIQUE INDEX idx_gun ON tuf_files (gun, role, version);
CREATE INDEX idx_tuf_files_sha256 ON tuf_files (sha256);

CREATE TABLE change_category (
    category VARCHAR(20) NOT NULL PRIMARY KEY
);
INSERT INTO change_category (category) VALUES ('update'), ('deletion');

CREATE TABLE changefeed (
    id         INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    gun        VARCHAR(255) NOT NULL,
    version    INTEGER NOT NULL,
    sha256     VARCHAR(64),
    category   VARCHAR(20) NOT NULL DEFAULT 'update' REFERENCES change_category (category)
);
CREATE INDEX idx_changefeed_gun ON changefeed (gun);
