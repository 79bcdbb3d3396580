-- What Notary's two migrations leave on PostgreSQL, and what the migration program remembers.
CREATE TABLE tuf_files (
    id SERIAL PRIMARY KEY,
    created_at TIMESTAMP NULL,
    updated_at TIMESTAMP NULL,
    deleted_at TIMESTAMP NULL,
    gun VARCHAR(255) NOT NULL,
    role VARCHAR(255) NOT NULL,
    version INTEGER NOT NULL,
    data BYTEA NOT NULL,
    sha256 CHAR(64) DEFAULT NULL,
    UNIQUE (gun, role, version)
);

CREATE INDEX tuf_files_sha256_idx ON tuf_files (sha256);

CREATE TABLE change_category (category VARCHAR(20) PRIMARY KEY);

INSERT INTO change_category (category) VALUES ('update'), ('deletion');

CREATE TABLE changefeed (
    id SERIAL PRIMARY KEY,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    gun VARCHAR(255) NOT NULL,
    version INTEGER NOT NULL,
    sha256 CHAR(64) DEFAULT NULL,
    category VARCHAR(20) NOT NULL DEFAULT 'update' REFERENCES change_category
);

CREATE INDEX idx_changefeed_gun ON changefeed (gun);

CREATE TABLE schema_migrations (version BIGINT NOT NULL PRIMARY KEY, dirty BOOLEAN NOT NULL);

INSERT INTO schema_migrations (version, dirty) VALUES (2, FALSE);
