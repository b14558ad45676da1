#!/bin/sh
# What a Mac's own tools say, each into a file of its own: `sh scripts/mac_readings.sh FOLDER`.
# The parsers of engine/machine/ read these; a Mac's outputs become the tests' fixtures.
# A tool that is missing or refuses leaves its words and its exit code; nothing here ends the run.
set -u
to=$1
mkdir -p "$to"

reading() {
    name=$1
    shift
    {
        echo "\$ $*"
        "$@" 2>&1
        echo "exit code $?"
    } >"$to/$name.txt"
}

reading uname uname -a
reading sw_vers sw_vers
reading sysctl-hardware sysctl hw machdep.cpu
reading sysctl-memory sysctl vm.swapusage kern.memorystatus_vm_pressure_level iogpu
reading vm_stat vm_stat
reading memory_pressure memory_pressure -Q
reading ioreg-gpu ioreg -r -d 1 -w 0 -c IOAccelerator
reading pmset-battery pmset -g batt
reading pmset-settings pmset -g
reading pmset-assertions pmset -g assertions
reading footprint footprint $$
reading locale locale
reading limits sh -c 'ulimit -a'
reading disk df -k .
reading brew-openblas ls /opt/homebrew/opt/openblas/lib
