-- As the two migrations of Notary 0.7 leave it, so that either program can go on with it.
CREATE TABLE IF NOT EXISTS tuf_files (
    id         SERIAL PRIMARY KEY,
    created_at TIMESTAMP NULL DEFAULT NULL,
    updated_at TIMESTAMP NULL DEFAULT NULL,
    deleted_at TIMESTAMP NULL DEFAULT NULL,
    gun        VARCHAR(255) NOT NULL,
    role       VARCHAR(255) NOT NULL,
    version    INTEGER NOT NULL,
    data       BYTEA NOT NULL,
    sha256     CHAR(64) DEFAULT NULL,
    UNIQUE (gun, role, version)
)
