//! Two signatures by one call, for servers that know of it.

use proto::extension::{
    Filling, MAX_PIECES, Piece as WirePiece, SealBothRequest, SealBothResponse, piece::Kind,
    sealing_server::Sealing,
};
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use super::{Service, in_time, key_id, note_signature, sign_status, span};
use crate::{
    keys::sequel::{FilePiece, Piece, Sequel},
    keystore::KeyId,
};

#[tonic::async_trait]
impl Sealing for Service {
    async fn seal_both(
        &self,
        request: Request<SealBothRequest>,
    ) -> Result<Response<SealBothResponse>, Status> {
        let span = span("SealBoth", &request);
        in_time(self.make_both(request.into_inner()))
            .instrument(span)
            .await
    }
}

impl Service {
    async fn make_both(
        &self,
        request: SealBothRequest,
    ) -> Result<Response<SealBothResponse>, Status> {
        let (first, second) = (id(request.first_key_id)?, id(request.second_key_id)?);
        let sequel = sequel(request.first_file, request.second_content)?;
        let content = request.first_content;
        let both = self
            .keys
            .sign_both(&first, content, &second, sequel)
            .await
            .map_err(|(id, error)| {
                tracing::error!("SealBoth: key {id}: {error}");
                sign_status(&error, &id)
            })?;
        for (id, signed) in [(&first, &both[0]), (&second, &both[1])] {
            note_signature("SealBoth", id, &signed.content);
        }
        let [first, second] = both.map(|signed| signed.signature.into());
        Ok(Response::new(SealBothResponse {
            first_signature: first,
            second_signature: second,
        }))
    }
}

fn id(id: String) -> Result<KeyId, Status> {
    key_id(Some(proto::KeyId { id }))
}

fn sequel(file: Vec<WirePiece>, content: Vec<WirePiece>) -> Result<Sequel, Status> {
    if file.len() > MAX_PIECES || content.len() > MAX_PIECES {
        let message = format!("more than {MAX_PIECES} pieces");
        return Err(Status::invalid_argument(message));
    }
    let file: Option<_> = file.into_iter().map(file_piece).collect();
    let content: Option<_> = content.into_iter().map(content_piece).collect();
    let sequel = file
        .zip(content)
        .and_then(|(file, content)| Sequel::new(file, content));
    sequel.ok_or_else(|| Status::invalid_argument("a piece that this signer does not know"))
}

fn file_piece(piece: WirePiece) -> Option<FilePiece> {
    match piece.kind? {
        Kind::Text(text) => Some(FilePiece::Text(text)),
        Kind::Filling(filling) => match Filling::try_from(filling).ok()? {
            Filling::Content => Some(FilePiece::Content),
            Filling::Signature => Some(FilePiece::Signature),
            Filling::Unspecified | Filling::Sha256 | Filling::Sha512 => None,
        },
    }
}

fn content_piece(piece: WirePiece) -> Option<Piece> {
    match piece.kind? {
        Kind::Text(text) => Some(Piece::Text(text)),
        Kind::Filling(filling) => match Filling::try_from(filling).ok()? {
            Filling::Sha256 => Some(Piece::Sha256),
            Filling::Sha512 => Some(Piece::Sha512),
            Filling::Unspecified | Filling::Content | Filling::Signature => None,
        },
    }
}
