//! What people at two hospitals, a QC centre and a regulator go through: the hub and the nodes are processes of the
//! binary, and everybody uses their real ports: TLS, MLLP and DICOM over loopback.

mod access;
mod away;
mod browser;
mod callers;
mod canary;
mod chinese;
mod consents;
mod corpus;
mod corrections;
mod crash;
mod doctor;
mod eqa;
mod excess;
mod images;
mod keeping;
mod laboratory;
mod layout;
mod order_screen;
mod outsiders;
mod pages;
mod patience;
mod patient;
mod people;
mod process;
mod recalls;
mod recognition;
mod region;
mod rotation;
mod scanner;
mod seeing;
mod strangers;
mod tokens;
mod upgrade;
