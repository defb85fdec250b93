# bash completion of lioshell; made by: lioshell completion bash
_lioshell() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    case $previous in
        -f|--configfs|--sim)
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return ;;
        -o)
            mapfile -t COMPREPLY < <(compgen -W 'text json yaml' -- "$current")
            return ;;
        --color)
            mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$current")
            return ;;
    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '-c -f --keep-going --sim --configfs -o -n --dry-run -y --yes --color -q -v --version -h --help' -- "$current")
    elif [[ $COMP_CWORD -eq 1 ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'ls help version saveconfig restoreconfig serve exercise completion' -- "$current")
    fi
}
complete -o default -F _lioshell lioshell
