"""Answers as DICOM objects of the film's study."""
