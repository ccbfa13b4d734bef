"""A DICOM node: films come from a PACS or a modality, results go back to the PACS."""
