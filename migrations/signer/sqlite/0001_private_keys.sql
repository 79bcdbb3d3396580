-- Signing keys, encrypted. Columns are those of Notary 0.7, whose databases are opened as they are:
-- hence IF NOT EXISTS, and no column more.
CREATE TABLE IF NOT EXISTS private_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at DATETIME,
    updated_at DATETIME,
    -- Set: the key is deleted, and its key_id stays taken.
    deleted_at DATETIME,
    -- 64 hex digits.
    key_id VARCHAR(255) NOT NULL,
    -- What the header of `private` says as well; never read.
    encryption_alg VARCHAR(255) NOT NULL,
    keywrap_alg VARCHAR(255) NOT NULL,
    -- ecdsa, ed25519 or rsa.
    algorithm VARCHAR(50) NOT NULL,
    -- Whose passphrase opens `private`.
    passphrase_alias VARCHAR(50) NOT NULL,
    public BLOB NOT NULL,
    -- The private key as JWE text.
    private BLOB NOT NULL,
    gun VARCHAR(255) NOT NULL,
    role VARCHAR(255) NOT NULL,
    -- NULL: pending, that is, handed out but never signed with.
    last_used DATETIME
);

CREATE UNIQUE INDEX IF NOT EXISTS key_id ON private_keys (key_id);
CREATE UNIQUE INDEX IF NOT EXISTS key_id_2 ON private_keys (key_id, algorithm);

-- The search for a pending key, which would otherwise look at every key there is.
CREATE INDEX IF NOT EXISTS idx_private_keys_pending ON private_keys (gun, role, algorithm, key_id)
WHERE last_used IS NULL AND deleted_at IS NULL;

-- One key of each alias, for the test of the passphrases.
CREATE INDEX IF NOT EXISTS idx_private_keys_alias ON private_keys (passphrase_alias)
WHERE deleted_at IS NULL;
