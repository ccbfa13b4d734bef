"""A DICOM node: films come from a PACS or a modality, results go back to the PACS."""


class NodeError(ValueError):
    """Why a node cannot do its work: a stable `code` and a `message` to act on."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code, self.message = code, message
